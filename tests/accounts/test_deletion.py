"""What is too big for one request is deleted by a worker, in parts, and goes on after a kill."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.urls import reverse

from accounts import deletion
from accounts.models import AuditEvent, Deletion, User
from accounts.removal import delete_user
from accounts.tasks import ask_for_deletions, continue_deletion
from chat.models import Answer, AnswerEvent, Session, Turn
from core.db.advisory_locks import DUMP, hold
from core.db.cascade import PART, count_with_owned
from documents.models import Document, Search
from tests import factories
from tests.api.conftest import api as api
from workspaces.models import Role, Workspace
from workspaces.provision import delete_workspace

pytestmark = pytest.mark.django_db
DELETIONS = reverse("admin:accounts_deletion_changelist")


@pytest.fixture
def admin(client):
    client.force_login(factories.operator(username="op", password="correct horse battery"))
    return client


def fill(user, sessions, workspace=None):
    """Give the user so many sessions with a turn, an answer and two events each."""
    ids = [uuid4() for _ in range(sessions)]
    Session.objects.bulk_create(Session(id=id, user=user) for id in ids)
    Turn.objects.bulk_create(
        Turn(id=id, session_id=id, message_id="1", text="?", workspace=workspace) for id in ids
    )
    Answer.objects.bulk_create(Answer(id=id, turn_id=id, endpoint_name="m", status="finished") for id in ids)
    events = (AnswerEvent(answer_id=id, seq=seq, kind="delta") for id in ids for seq in (1, 2))
    AnswerEvent.objects.bulk_create(events, batch_size=5000)


def page_of(user):
    return reverse("admin:accounts_user_delete", args=[user.pk])


def test_the_page_counts_instead_of_listing_and_offers_to_switch_off_first(
    admin, django_assert_max_num_queries
):
    user = factories.user(username="heavy")
    fill(user, 1500)
    with django_assert_max_num_queries(30):
        page = admin.get(page_of(user)).content.decode()
    assert "Sessions: 1,500" in page
    assert len(page) < 30_000
    assert page.index("Switch off heavy") < page.index("Delete heavy")


def test_switching_off_keeps_everything(admin):
    user = factories.user(username="heavy")
    fill(user, 2)
    reply = admin.post(page_of(user), {"post": "yes", "how": "deactivate"}, follow=True)
    assert "was switched off" in reply.content.decode()
    assert not User.objects.get(pk=user.pk).is_active
    assert Session.objects.filter(user=user).count() == 2
    assert AuditEvent.objects.get(action="user.change").detail["changes"] == {
        "is_active": {"old": True, "new": False}
    }


def test_a_heavy_user_is_locked_out_at_once_and_deleted_in_parts_with_progress(admin, monkeypatch):
    user, other = factories.user(username="heavy"), factories.user()
    fill(user, 600)
    fill(other, 3)
    reply = admin.post(page_of(user), {"post": "yes", "how": "delete"}, follow=True)
    assert "being deleted in the background" in reply.content.decode()
    assert not User.objects.get(pk=user.pk).is_active
    assert Session.objects.filter(user=user).count() == 600
    row = Deletion.objects.get()
    monkeypatch.setattr(deletion, "_TURN_S", 0)  # each turn ends after one part
    continue_deletion(row.pk)
    row.refresh_from_db()
    assert 0 < row.done <= PART
    assert row.total == 600 * 5 + 1
    assert f"{row.done:,} of 3,001 rows" in admin.get(DELETIONS).content.decode()
    monkeypatch.undo()
    continue_deletion(row.pk)
    row.refresh_from_db()
    assert (row.done, row.error) == (row.total, "")
    assert "Done: 3,001 rows" in admin.get(DELETIONS).content.decode()
    assert not User.objects.filter(pk=user.pk).exists()
    assert set(Session.objects.values_list("user", flat=True)) == {other.pk}
    assert (Answer.objects.count(), AnswerEvent.objects.count()) == (3, 6)
    assert AuditEvent.objects.get(action="user.delete").actor_name == "op"


def test_a_second_request_for_the_same_user_changes_nothing():
    user = factories.user()
    fill(user, 600)
    assert delete_user(None, user) == delete_user(None, user)


def test_each_part_is_a_small_statement_and_little_memory():
    user = factories.user()
    fill(user, 3000)
    deletion.begin(None, user, "heavy")
    tracemalloc.start()
    try:
        while row := Deletion.objects.filter(finished_at=None).first():
            continue_deletion(row.pk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not Session.objects.exists()
    assert peak < 8_000_000, f"{peak:,} bytes"


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_is_taken_over_where_it_stopped(root: Path):
    user = factories.user()
    fill(user, 8_000)
    row = deletion.begin(None, user, "heavy")
    code = (
        "import sys, time, django; from django.conf import settings\n"
        "settings.DATABASES['default']['NAME'] = sys.argv[1]; django.setup()\n"
        "from accounts.tasks import continue_deletion\n"
        "while True: continue_deletion(int(sys.argv[2])); time.sleep(0.05)"
    )
    arguments = [str(connection.settings_dict["NAME"]), str(row.pk)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    with subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=root, env=environment) as worker:
        until = time.monotonic() + 200
        while not Deletion.objects.filter(done__gt=2 * PART).exists():
            if worker.poll() is not None or time.monotonic() > until:
                break
            time.sleep(0.01)
        was_at_work = worker.poll() is None
        worker.kill()
    assert was_at_work
    left = Session.objects.count()
    assert left > 0
    continue_deletion(row.pk)  # its lease has not expired
    assert Session.objects.count() == left
    Deletion.objects.update(lease_until=Now() - timedelta(seconds=1))
    while Deletion.objects.filter(finished_at=None).exists():
        continue_deletion(row.pk)
    row.refresh_from_db()
    assert row.total == 40_001
    assert row.total - PART <= row.done <= row.total  # the last part of the killed worker may be uncounted
    assert not User.objects.exists()
    assert not AnswerEvent.objects.exists()


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_rows_that_come_while_it_is_deleted_go_too():
    user = factories.user()
    fill(user, 1000)
    row, stopped = deletion.begin(None, user, "heavy"), threading.Event()

    def write():
        try:
            while not stopped.wait(0.02):
                fill(user, 1)
        except Exception:  # the user is gone
            pass
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    until = time.monotonic() + 200
    while Deletion.objects.filter(finished_at=None).exists() and time.monotonic() < until:
        Deletion.objects.update(lease_until=None)
        ask_for_deletions()
        continue_deletion(row.pk)
    stopped.set()
    writer.join()
    assert not User.objects.exists()
    assert not Session.objects.exists()


# --- workspaces -------------------------------------------------------------------------------------


@pytest.fixture
def big(settings):
    """A workspace with a file, and with more documents than a request deletes."""
    workspace = factories.workspace(name="Pumps")
    factories.document(workspace, content=b"pump")
    Document.objects.bulk_create(
        Document(
            workspace=workspace, title=f"{number}.txt", media_type="text/plain", size_bytes=1,
            content_sha256=f"{number:064x}", language="en", status="pending" if number % 2 else "ready",
        )
        for number in range(1200)
    )  # fmt: skip
    return workspace


@pytest.mark.django_db(transaction=True)
def test_a_big_workspace_is_out_of_reach_at_once_and_deleted_in_parts(api, big, settings):
    manager = api(factories.member(big, Role.MANAGER))
    asker = factories.member(big)
    fill(asker, 2, big)
    Search.objects.create(workspace=big, user=asker, question="?", outcome="found")
    assert manager("DELETE", f"workspaces/{big.pk}").status_code == 204
    assert manager("GET", f"workspaces/{big.pk}").status_code == 404
    assert manager("GET", "workspaces").json()["results"] == []
    assert factories.workspace(name="Pumps").pk != big.pk, "its name is free"
    continue_deletion(Deletion.objects.get(name="Pumps").pk)
    assert Deletion.objects.get().finished_at
    assert not Workspace.objects.filter(pk=big.pk).exists()
    assert not Document.objects.filter(workspace=big).exists()
    assert not list(Path(settings.MEDIA_ROOT).rglob(f"workspaces/{big.pk}/*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"chunks.w_{big.pk.hex}"])
        assert cursor.fetchone() == (None,)
    assert Turn.objects.filter(workspace=None).count() == 2, "conversations stay"


@pytest.mark.django_db(transaction=True)
def test_a_small_workspace_is_deleted_by_a_worker_while_a_dump_reads_its_tables(api):
    workspace = factories.workspace()
    with hold(DUMP):
        assert (
            api(factories.member(workspace, Role.MANAGER))("DELETE", f"workspaces/{workspace.pk}").status_code
            == 204
        )
    continue_deletion(Deletion.objects.get().pk)
    assert not Workspace.objects.filter(pk=workspace.pk).exists()


def test_operators_no_longer_see_a_workspace_that_is_being_deleted(admin, big):
    delete_workspace(None, big)
    assert "deleted" not in admin.get(reverse("admin:workspaces_workspace_changelist")).content.decode()
    assert admin.get(reverse("workspace", args=[big.pk])).status_code == 404


def test_rows_are_counted_before_they_are_deleted():
    user = factories.user()
    fill(user, 7)
    assert count_with_owned(User, pk=user.pk) == 7 * 5 + 1
