import io
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from documents.adding import service as intake
from documents.adding.folder_import import import_file
from documents.models import Document
from tests import factories
from tests.documents.conftest import embedded
from tests.documents.ingestion.test_ingest import rows
from tests.documents.parsing import files
from tests.fakes.openai_server import OpenAIServer
from workspaces.engines import engine_for
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


def test_a_name_that_cannot_be_kept_fails_alone(workspace: Workspace, tmp_path: Path) -> None:
    factories.operator(username="ana")
    folder = tmp_path / "odd"
    deep = folder.joinpath(*["deep"] * 100)
    deep.mkdir(parents=True)
    for path in (deep / "deep.md", folder / os.fsdecode(b"caf\xe9.md"), folder / "good.md"):
        path.write_bytes(b"# Pumps\n\nThey pump.")
    said = run(folder, "--workspace", workspace.name)
    assert "good.md ready" in said
    assert "caf\ufffd.md failed Its name, or the name of a folder, is not valid UTF-8." in said
    assert "Move or rename it." in said
    assert said.endswith("2 of 3 could not be made searchable.")


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
    assert "3 of 5 could not be made searchable." in said
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
    assert "vi cannot add to a workspace named" in run(
        folder / "good.md", "--workspace", workspace.name, "--user", "vi"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pdf", "--workspace", "{workspace}"], "There is no file or folder nowhere.pdf."),
        (["{folder}", "--workspace", "Unknown"], "Use --create to create it."),
        (["{folder}", "--workspace", "{workspace}", "--user", "nobody"], "no active user named nobody"),
        (["{folder}", "--workspace", "{workspace}", "--language", "fr"], "does not have the language 'fr'"),
        (["{folder}/deep/none", "--workspace", "{workspace}"], "There is no file or folder"),
    ],
)
def test_mistakes_are_told(workspace: Workspace, folder: Path, arguments: list[str], words: str) -> None:
    factories.operator()
    filled = [each.format(workspace=workspace.name, folder=folder) for each in arguments]
    assert words in run(*filled)


def test_without_an_operator_it_asks_who(workspace: Workspace, folder: Path) -> None:
    assert "use --user" in run(folder, "--workspace", workspace.name)


def test_an_empty_folder_is_told(workspace: Workspace, tmp_path: Path) -> None:
    factories.operator()
    assert "no file to add" in run(tmp_path, "--workspace", workspace.name)


# --- folders, again -------------------------------------------------------------------------------


@pytest.fixture
def known(workspace: Workspace, folder: Path, embeddings: OpenAIServer) -> Path:
    """A folder whose good files are in the workspace."""
    factories.operator()
    for name in ("locked.pdf", "wrong.pdf", "empty.txt"):
        (folder / name).unlink()
    run(folder, "--workspace", workspace.name)
    embeddings.requests.clear()
    return folder


def found(workspace: Workspace) -> set[str]:
    return {text for is_live, _, text, *_ in rows(workspace) if is_live}


def test_a_document_remembers_where_its_file_lies(workspace: Workspace, known: Path) -> None:
    places = set(workspace.documents.values_list("folder", "path", "title"))
    assert places == {(str(known), "good.md", "good.md"), (str(known), "deep/down/report.pdf", "report.pdf")}


def test_a_changed_file_is_a_new_version_of_its_document(workspace: Workspace, known: Path) -> None:
    before = workspace.documents.get(path="good.md")
    (known / "good.md").write_text("# Pumps\n\nThey rest.")
    said = run(known, "--workspace", workspace.name)
    assert "good.md changed" in said
    assert "0 ready, 1 unchanged, 0 failed, 1 changed" in said
    after = workspace.documents.get(path="good.md")
    assert (after.pk, after.status) == (before.pk, "ready")
    assert "# Pumps\n\nThey rest." in found(workspace)
    assert "# Pumps\n\nThey pump." not in found(workspace)


def test_a_version_that_cannot_be_read_leaves_the_one_before(workspace: Workspace, known: Path) -> None:
    (known / "deep/down/report.pdf").write_bytes(files.pdf("x", password="p"))
    said = run(known, "--workspace", workspace.name)
    assert "protected by a password" in said
    assert "The old version is still searchable." in said
    assert any("A report" in text for text in found(workspace))


def test_a_moved_file_is_embedded_once(workspace: Workspace, known: Path, embeddings: OpenAIServer) -> None:
    before = workspace.documents.get(path="good.md")
    (known / "good.md").rename(known / "deep" / "better.md")
    assert "deep/better.md moved" in run(known, "--workspace", workspace.name, "--prune")
    after = workspace.documents.get(pk=before.pk)
    assert (after.path, after.title, after.status) == ("deep/better.md", "better.md", "ready")
    assert engine_for(workspace).search_lexical("better.md", 1)[0].document_id == after.pk
    assert embedded(embeddings) == []


def test_what_is_gone_is_told_and_deleted_only_on_demand(workspace: Workspace, known: Path) -> None:
    (known / "good.md").unlink()
    said = run(known, "--workspace", workspace.name)
    assert "good.md gone" in said
    assert "Use --prune to delete them." in said
    assert workspace.documents.count() == 2
    assert "1 unchanged, 0 failed, 1 deleted" in run(known, "--workspace", workspace.name, "--prune")
    assert workspace.documents.get().path == "deep/down/report.pdf"


def test_what_came_another_way_is_never_pruned_nor_doubled(
    workspace: Workspace, known: Path, tmp_path: Path
) -> None:
    intake.add_text(workspace, None, "A text", "Words.")
    intake.add_file(workspace, None, ContentFile(b"Page words.", name="page.txt"), "page.txt")
    elsewhere = tmp_path / "elsewhere" / "other.md"
    elsewhere.parent.mkdir()
    elsewhere.write_text("Other words.")
    run(elsewhere.parent, "--workspace", workspace.name)
    run("--workspace", workspace.name, known, "--prune")
    (known / "page.txt").write_text("Page words.")
    Document.objects.filter(title="page.txt").update(status="ready")
    assert "page.txt unchanged" in run(known, "--workspace", workspace.name, "--prune")
    (known / "page.txt").unlink()
    elsewhere.unlink()
    said = run(known, "--workspace", workspace.name, "--prune")
    assert "deleted" not in said
    assert workspace.documents.count() == 5


def test_a_part_of_a_folder_is_the_same_files(
    workspace: Workspace, known: Path, embeddings: OpenAIServer
) -> None:
    assert "0 ready, 1 unchanged" in run(known / "deep", "--workspace", workspace.name)
    assert "0 ready, 1 unchanged" in run(known / "good.md", "--workspace", workspace.name)
    (known / "deep/down/report.pdf").unlink()
    (known / "deep/new.md").write_text("# New\n\nWords.")
    assert "1 ready, 0 unchanged, 0 failed, 1 deleted" in run(
        known / "deep", "--workspace", workspace.name, "--prune"
    )
    assert "0 ready, 2 unchanged, 0 failed;" in run(known, "--workspace", workspace.name, "--prune")
    assert embedded(embeddings) == ["# New\n\nWords."]


def test_two_files_alike_are_two_documents(workspace: Workspace, known: Path) -> None:
    (known / "deep" / "good.md").write_bytes((known / "good.md").read_bytes())
    assert "1 ready, 2 unchanged" in run(known, "--workspace", workspace.name)
    (known / "good.md").unlink()
    assert "0 ready, 2 unchanged, 0 failed, 1 deleted" in run(known, "--workspace", workspace.name, "--prune")


def test_a_folder_that_cannot_be_looked_into_deletes_nothing(
    workspace: Workspace, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may look everywhere, so the system's refusal is played."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "deep cannot be listed: Permission denied." in run(known, "--workspace", workspace.name, "--prune")
    assert workspace.documents.count() == 2


# --- texts and questions --------------------------------------------------------------------------


def test_a_text_comes_from_standard_input(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.operator()
    monkeypatch.setattr("sys.stdin", io.StringIO("The pump needs oil."))
    assert "Pump care ready" in run("--workspace", workspace.name, "--text", "Pump care")
    assert (workspace.documents.get().kind, found(workspace)) == ("text", {"The pump needs oil."})


def test_questions_come_from_a_table(workspace: Workspace, tmp_path: Path) -> None:
    factories.operator()
    table = tmp_path / "faq.csv"
    table.write_text("question,answer\nWhy?,Because.\nHow?,\n")
    said = run("--workspace", workspace.name, "--questions", table)
    assert "Why? ready" in said
    assert "The answer is empty. Write one." in said
    assert "1 of 2 could not be made searchable." in said
    table.write_text("just words")
    assert "Save the table as CSV" in run("--workspace", workspace.name, "--questions", table)


def test_a_symbolic_link_leads_nowhere(workspace, tmp_path):
    factories.operator()
    outside = tmp_path / "secret.txt"
    outside.write_text("The key of the installation.")
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "real.txt").write_text("An ordinary text.")
    (folder / "link.txt").symlink_to(outside)
    (folder / "inside.txt").symlink_to(folder / "real.txt")
    (folder / "linked").symlink_to(tmp_path)
    call_command("ingest", str(folder), workspace=workspace.name)
    assert set(workspace.documents.values_list("path", flat=True)) == {"real.txt"}
    call_command("ingest", str(folder), workspace=workspace.name, follow_links=True)
    assert set(workspace.documents.values_list("path", flat=True)) == {"real.txt", "inside.txt"}


def test_a_link_that_is_named_is_refused(workspace, tmp_path):
    factories.operator()
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    with pytest.raises(CommandError, match="is a symbolic link"):
        call_command("ingest", str(tmp_path / "link.txt"), workspace=workspace.name)


def test_a_file_that_turns_into_a_link_is_not_read(workspace, tmp_path):
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    user = factories.operator()
    with pytest.raises(OSError, match="leads out of its folder"):
        import_file(workspace, user, tmp_path, tmp_path / "link.txt", None, set())
