import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from documents.models import Document
from tests import factories
from tests.documents import files
from tests.documents.conftest import embedded
from tests.fakes.openai_server import OpenAIServer
from workspaces.models import Role, Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "good.md": b"# Pumps\n\nThey pump.",
        "deep/down/report.pdf": files.pdf("A report"),
        "locked.pdf": files.pdf("x", password="p"),
        "wrong.pdf": b"only words",
        "empty.txt": b"",
        ".hidden.md": b"hidden",
        ".git/config.txt": b"hidden too",
    }.items():
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "docs"


@pytest.fixture(autouse=True)
def _wide_enough_for_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def run(*arguments: object) -> str:
    """Return what the command printed, as one line of words, and how it ended."""
    out = io.StringIO()
    try:
        call_command("ingest", *map(str, arguments), stdout=out)
        end = ""
    except CommandError as error:
        end = f" {error}"
    return " ".join(out.getvalue().split()) + end


def test_a_folder_ends_ready_or_failed_with_a_reason(workspace: Workspace, folder: Path) -> None:
    user = factories.operator(username="ana")
    said = run(folder, "--workspace", workspace.name)
    assert "good.md ready" in said
    assert "report.pdf ready" in said
    assert "locked.pdf failed" in said
    assert "protected by a password" in said
    assert "content is plain text" in said
    assert "file is empty" in said
    assert "hidden" not in said
    assert said.endswith("2 ready, 0 unchanged, 3 failed; 2 chunks in " + said.split("chunks in ")[1])
    assert "3 of 5 files could not be made searchable." in said
    assert set(workspace.documents.values_list("created_by", flat=True)) == {user.pk}


def test_a_second_run_embeds_nothing(workspace: Workspace, folder: Path, embeddings: OpenAIServer) -> None:
    factories.operator()
    run(folder, "--workspace", workspace.name)
    before = embedded(embeddings)
    said = run(folder, "--workspace", workspace.name)
    assert "good.md unchanged" in said
    assert "0 ready, 2 unchanged, 3 failed" in said
    assert embedded(embeddings) == before


def test_a_single_file_succeeds_quietly(workspace: Workspace, folder: Path) -> None:
    factories.operator()
    assert "1 ready, 0 unchanged, 0 failed" in run(folder / "good.md", "--workspace", workspace.name)


def test_it_waits_for_a_model_that_comes_back(
    workspace: Workspace, folder: Path, embeddings: OpenAIServer
) -> None:
    factories.operator()
    embeddings.behaviour.status, embeddings.behaviour.failures = 503, 3  # one attempt of the whole document
    assert "good.md ready" in run(folder / "good.md", "--workspace", workspace.name)
    assert Document.objects.get().attempt == 2


def test_create_makes_the_workspace(workspace: Workspace, folder: Path) -> None:
    factories.operator()
    said = run(folder / "good.md", "--workspace", "New one", "--create", "--language", "de")
    assert "1 ready" in said
    made = Workspace.objects.get(name="New one")
    assert (made.languages, made.documents.get().language) == (["de"], "de")


def test_an_editor_may_and_a_viewer_may_not(workspace: Workspace, folder: Path) -> None:
    factories.member(workspace, Role.EDITOR, username="ed")
    factories.member(workspace, Role.VIEWER, username="vi")
    assert "1 ready" in run(folder / "good.md", "--workspace", workspace.name, "--user", "ed")
    assert "vi may add to no workspace named" in run(
        folder / "good.md", "--workspace", workspace.name, "--user", "vi"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pdf", "--workspace", "{workspace}"], "There is no file or folder nowhere.pdf."),
        (["{folder}", "--workspace", "Unknown"], "Use --create to make it."),
        (["{folder}", "--workspace", "{workspace}", "--user", "nobody"], "no active user named nobody"),
        (["{folder}", "--workspace", "{workspace}", "--language", "fr"], "does not hold the language 'fr'"),
        (["{folder}/deep/none", "--workspace", "{workspace}"], "There is no file or folder"),
    ],
)
def test_mistakes_are_told(workspace: Workspace, folder: Path, arguments: list[str], words: str) -> None:
    factories.operator()
    filled = [each.format(workspace=workspace.name, folder=folder) for each in arguments]
    assert words in run(*filled)


def test_without_an_operator_it_asks_who(workspace: Workspace, folder: Path) -> None:
    assert "say with --user" in run(folder, "--workspace", workspace.name)


def test_an_empty_folder_is_told(workspace: Workspace, tmp_path: Path) -> None:
    factories.operator()
    assert "no file to add" in run(tmp_path, "--workspace", workspace.name)
