import importlib
import stat
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from accounts.models import User, record
from documents.models import Document
from models_registry.models import Endpoint
from ragsite.embedded import seed
from ragsite.embedded.model_choice import QWEN, weights_file
from workspaces.models import Workspace
from workspaces.provision import delete_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_directories(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR, settings.BASE_DIR = tmp_path / "data", tmp_path / "project"
    settings.DATA_DIR.mkdir()
    for variable in ("RAGSITE_ADMIN_PASSWORD", "RAGSITE_LLM_GGUF", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RAGSITE_LLM_GGUF", "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/" + QWEN.file_name)


def local_row() -> Endpoint:
    return Endpoint.objects.get(options__base_url=f"http://127.0.0.1:{8012}/v1")


def test_the_first_operator_gets_a_password_that_only_its_owner_reads(settings: Any) -> None:
    call_command("seed")
    call_command("seed")
    file = settings.DATA_DIR / "admin_password"
    assert User.objects.get(username="admin").check_password(file.read_text().strip())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_given_password_is_used_and_not_written_down(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGSITE_ADMIN_PASSWORD", "given by me")
    call_command("seed")
    assert User.objects.get(username="admin").check_password("given by me")
    assert not (settings.DATA_DIR / "admin_password").exists()


def test_no_second_operator_is_made_beside_one_with_another_name() -> None:
    User.objects.create_superuser("somebody")
    call_command("seed")
    assert not User.objects.filter(username="admin").exists()


@pytest.mark.parametrize("who", ["a demoted admin", "a deactivated admin", "an admin without a password"])
def test_a_start_goes_on_and_names_the_command_where_no_operator_can_log_in(
    capsys: Any, settings: Any, who: str
) -> None:
    admin = User(
        username="admin", is_superuser=who != "a demoted admin", is_active=who != "a deactivated admin"
    )
    admin.set_password(None if who == "an admin without a password" else "correct horse battery")
    admin.save()
    call_command("seed")
    assert "manage.py operator NAME" in capsys.readouterr().err
    assert User.objects.get() == admin
    assert not (settings.DATA_DIR / "admin_password").exists()


def test_models_come_with_licence_and_size_and_are_all_valid() -> None:
    call_command("seed")
    rows = {row.name: row for row in Endpoint.objects.all()}
    assert rows["all-MiniLM-L6-v2"].dimensions == 384
    assert rows["SmolLM2-135M-Instruct"].size_bytes == 98_362_432
    assert "do not trust its answers" in rows["SmolLM2-135M-Instruct"].note
    assert rows["Quotes"].rank < rows["SmolLM2-135M-Instruct"].rank
    for row in rows.values():
        row.full_clean()


def test_what_an_operator_changed_stays_changed() -> None:
    call_command("seed")
    Endpoint.objects.update(note="ours", rank=5, is_enabled=False)
    call_command("seed")
    assert set(Endpoint.objects.values_list("note", "rank", "is_enabled")) == {("ours", 5, False)}
    assert Endpoint.objects.count() == 3


def address_of(name: str) -> str:
    options = Endpoint.objects.get(name=name).options
    return str(options.get("url") or options.get("base_url"))


def test_our_own_models_follow_the_ports_of_the_installation(settings: Any) -> None:
    call_command("seed")
    Endpoint.objects.filter(name="all-MiniLM-L6-v2").update(name="English", rank=5)
    settings.SERVING_PORT, settings.LLM_PORT = 9001, 9002
    call_command("seed")
    assert address_of("English") == "http://127.0.0.1:9001"
    assert address_of("SmolLM2-135M-Instruct") == "http://127.0.0.1:9002/v1"
    assert Endpoint.objects.get(name="English").rank == 5
    assert Endpoint.objects.count() == 3


def test_an_address_that_an_operator_wrote_stays(settings: Any) -> None:
    call_command("seed")
    Endpoint.objects.filter(name="all-MiniLM-L6-v2").update(options={"url": "http://embed.example.org"})
    settings.SERVING_PORT = 9001
    call_command("seed")
    assert address_of("all-MiniLM-L6-v2") == "http://embed.example.org"


def test_rows_of_earlier_versions_follow_too_unless_an_operator_changed_them(settings: Any) -> None:
    find = importlib.import_module("models_registry.migrations.0007_find_seeded_endpoints").find
    call_command("seed")
    Endpoint.objects.update(seeded={})
    record(None, "endpoint.change", "SmolLM2", id=str(local_row().pk))
    find(apps, None)
    settings.SERVING_PORT, settings.LLM_PORT = 9001, 9002
    call_command("seed")
    assert address_of("all-MiniLM-L6-v2") == "http://127.0.0.1:9001"
    assert address_of("SmolLM2-135M-Instruct") == "http://127.0.0.1:8012/v1"


def test_when_a_better_model_has_come_the_local_row_says_so(settings: Any) -> None:
    call_command("seed")
    before = local_row()
    file = weights_file(settings.DATA_DIR, QWEN)
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    call_command("seed")
    after = local_row()
    assert before.pk == after.pk
    assert (before.rank, after.rank) == (90, 10)
    assert after.model == file.stem
    assert after.note == ""


# --- the demo workspace -------------------------------------------------------------------------


@pytest.fixture
def handbook(settings: Any) -> Path:
    """A project with two documents, whose embedder is well, seeded once."""
    (settings.BASE_DIR / "docs").mkdir(parents=True)
    (settings.BASE_DIR / "README.md").write_text("# Ragsite\n\nIt talks with documents.\n")
    (settings.BASE_DIR / "docs" / "models.md").write_text("# Models\n\nAdd one in the admin.\n")
    call_command("seed")
    Endpoint.objects.update(last_check_ok=True)
    seed.demo(within_s=0)
    return Path(settings.BASE_DIR)


def titles() -> set[str]:
    return set(Document.objects.values_list("title", flat=True))


def test_the_demo_workspace_holds_the_documentation(handbook: Path) -> None:
    assert Workspace.objects.get().name == "Ragsite handbook"
    assert titles() == {"README.md", "models.md"}


def test_unchanged_files_cost_no_query(handbook: Path, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert seed.demo(within_s=0) == ""


def test_a_changed_file_replaces_its_old_self_and_a_removed_one_goes(handbook: Path) -> None:
    before = Document.objects.get(title="README.md").content_sha256
    (handbook / "README.md").write_text("# Ragsite\n\nIt cites.\n")
    (handbook / "docs" / "models.md").unlink()
    seed.demo(within_s=0)
    assert Document.objects.get().content_sha256 != before


def test_what_people_added_to_the_demo_workspace_stays(handbook: Path) -> None:
    ours = Document.objects.get(title="README.md")
    ours.pk, ours.title, ours.content_sha256 = None, "my notes.md", "0" * 64
    ours.save(force_insert=True)
    (handbook / "README.md").write_text("# Another\n")
    seed.demo(within_s=0)
    assert "my notes.md" in titles()


def test_a_demo_workspace_that_was_removed_does_not_come_back(handbook: Path) -> None:
    delete_workspace(None, Workspace.objects.get())
    (handbook / "README.md").write_text("# Another\n")
    assert seed.demo(within_s=0) == ""
    assert not Workspace.objects.exists()


def test_the_demo_is_brought_up_to_date_without_an_operator(handbook: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as after a restore of an old mistake
        cursor.execute("UPDATE accounts_user SET is_superuser = false")
    (handbook / "README.md").write_text("# Another\n")
    assert "2 documents" in seed.demo(within_s=0)


def test_without_a_healthy_embedder_the_demo_waits_for_the_next_start(handbook: Path, settings: Any) -> None:
    Endpoint.objects.update(last_check_ok=False)
    (handbook / "README.md").write_text("# Another\n")
    assert seed.demo(within_s=0) == ""
    Endpoint.objects.update(last_check_ok=True)
    assert "2 documents" in seed.demo(within_s=0)
