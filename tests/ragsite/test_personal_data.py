"""One person's data can be read as a whole, and erased."""

import io
import json
import tracemalloc
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.identity.api_key import issue
from accounts.models import ApiKey, AuditEvent, User, record
from accounts.removal import delete_user
from chat.models import AnswerRating, Session, Summary, Turn
from documents.models import Search
from ragsite.personal_data import views
from ragsite.personal_data.export import Folder, export_person
from tests import factories
from workspaces.members import add_member
from workspaces.models import Membership, Role

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery"


@pytest.fixture
def operator():
    return factories.operator(username="op", password=SECRET)


@pytest.fixture
def workspace():
    return factories.workspace(name="Pumps", access_levels=["Everybody", "Staff"])


@pytest.fixture
def lea(workspace, operator):
    """A person who did one of everything, and another one who did the same."""
    for name in ("lea", "leander"):
        user = factories.user(username=name, first_name="Lea", last_name="Roth", email=f"{name}@example.com")
        add_member(operator, workspace, user, Role.EDITOR)
        document = factories.document(workspace, created_by=user, content=name.encode(), title=f"{name}.txt")
        answer = factories.answer(
            factories.session(user, title=f"{name} asks"), f"What does {name} ask?", workspace=workspace,
            text=f"An answer for {name}.", passages=[{"document": document, "document_title": f"{name}.txt"}],
        )  # fmt: skip
        AnswerRating.objects.create(answer=answer, user=user, is_good=True, comment=f"thanks from {name}")
        Search.objects.create(workspace=workspace, user=user, question=f"{name} searches", outcome="found")
        Summary.objects.create(session=answer.turn.session, last_turn=answer.turn, text=f"What {name} asked")
        issue(user, f"script of {name}'s")
        record(user, "document.add", document.title)
        record(None, "login.throttled", name, address="192.0.2.7")
    return User.objects.get(username="lea")


def rows(archive, name):
    return [json.loads(line) for line in archive[f"{name}.jsonl"].splitlines()]


def unzipped(file):
    with zipfile.ZipFile(file) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name).decode() for name in packed.namelist()}


def run(*arguments):
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("target", ["lea.zip", "lea"])
def test_the_archive_of_a_person_has_all_of_theirs_and_nothing_of_others(lea, tmp_path, target):
    out = run("export_person", "lea", tmp_path / target)
    path = tmp_path / target
    assert path.stat().st_mode & 0o077 == 0, "only its owner reads it"
    files = {
        each.relative_to(path).as_posix(): each.read_text() for each in path.rglob("*") if each.is_file()
    }
    archive = files or unzipped(path)
    assert "1 turns" in out
    account = json.loads(archive["account.json"])
    assert (account["email"], account["roles"][0]["workspace"]) == ("lea@example.com", "Pumps")
    [turn] = rows(archive, "turns")
    assert turn["text"] == "What does lea ask?"
    assert turn["answers"][0]["text"] == "An answer for lea."
    assert turn["answers"][0]["cites"][0]["document_title"] == "lea.txt"
    [session] = rows(archive, "sessions")
    assert (session["title"], session["summary"]) == ("lea asks", "What lea asked")
    assert [each["comment"] for each in rows(archive, "ratings")] == ["thanks from lea"]
    assert [each["question"] for each in rows(archive, "searches")] == ["lea searches"]
    assert [each["name"] for each in rows(archive, "api_keys")] == ["script of lea's"]
    [document] = rows(archive, "documents")
    assert archive[f"files/{document['id']}"] == "lea"
    actions = [each["action"] for each in rows(archive, "events")]
    assert sorted(actions) == ["api_key.issue", "document.add", "login.throttled", "member.add"]
    everything = " ".join(archive.values())
    assert "leander" not in everything
    assert lea.password not in everything
    assert ApiKey.objects.get(user=lea).digest not in everything


@pytest.mark.parametrize(
    ("name", "target", "sentence"),
    [("nobody", "new.zip", "no user nobody"), ("lea", "", "exists"), ("lea", "there.zip", "exists")],
)
def test_an_export_that_cannot_be_says_so_and_writes_nothing(lea, tmp_path, name, target, sentence):
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(CommandError, match=sentence):
        run("export_person", name, tmp_path / target)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]


def test_an_export_takes_little_memory_however_much_there_is(tmp_path):
    user = factories.user()
    session = factories.session(user)
    Turn.objects.bulk_create(
        Turn(session=session, message_id=str(number), text="x" * 5000) for number in range(4000)
    )
    tracemalloc.start()
    try:
        export_person(user, Folder(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "turns.jsonl").stat().st_size > 20_000_000
    assert peak < 10_000_000, f"{peak:,} bytes"


# --- the page ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _fresh_limit(monkeypatch):
    monkeypatch.setattr(views, "_downloads", views.Buckets(1 / 60, 3))


def downloaded(client):
    reply = client.post(reverse("own-data"))
    assert reply.status_code == 200
    return unzipped(io.BytesIO(b"".join(reply.streaming_content)))


def test_people_download_their_own_data(client, lea):
    client.force_login(lea)
    page = client.get(reverse("own-data")).content.decode()
    assert "Download my data" in page
    archive = downloaded(client)
    assert rows(archive, "turns")[0]["answers"][0]["text"] == "An answer for lea."
    assert "leander" not in " ".join(archive.values())
    assert not [name for name in archive if name.startswith("files/")]
    assert AuditEvent.objects.filter(action="user.export", user=lea).exists()


def test_answers_from_documents_that_they_may_not_see_any_more_are_withheld(client, lea, workspace):
    lea.sessions.get().turns.get().answers.get().passages.get().document.__class__.objects.filter(
        title="lea.txt"
    ).update(access_level=1)
    Membership.objects.filter(user=lea).update(access_level=0)
    client.force_login(lea)
    archive = downloaded(client)
    [answer] = rows(archive, "turns")[0]["answers"]
    assert "withheld" in answer["text"]
    assert answer["cites"] == []
    assert [each["summary"] for each in rows(archive, "sessions")] == [""], "it may repeat the answer"


def test_withheld_answers_cost_no_queries_of_their_own(lea, workspace, tmp_path):
    def withheld(count):
        for number in range(count):
            factories.answer(
                lea.sessions.get(), str(number), workspace=workspace, passages=[{"document_title": "gone"}]
            )
        with CaptureQueriesContext(connection) as queries:
            export_person(lea, Folder(tmp_path), for_themselves=True)
        return len(queries)

    Membership.objects.filter(user=lea).delete()
    assert withheld(1) == withheld(5)


def test_downloads_in_a_row_are_refused_for_a_while(client, lea):
    client.force_login(lea)
    for _ in range(3):
        downloaded(client)
    reply = client.post(reverse("own-data"))
    wait_s = reply["Retry-After"]
    assert (reply.status_code, 50 <= int(wait_s) <= 60) == (429, True)
    assert f"Wait {wait_s} seconds" in reply.content.decode()


def test_the_admin_names_the_commands(client, lea, operator):
    client.force_login(operator)
    page = client.get(reverse("admin:accounts_user_change", args=[lea.pk])).content.decode()
    assert "manage.py export_person lea FILE.zip" in page
    assert "manage.py erase_person lea" in page


# --- erasing ----------------------------------------------------------------------------------------


def test_a_dry_run_lists_what_goes_and_what_stays_with_the_reason(lea):
    before = list(AuditEvent.objects.values_list("subject", "actor_name"))
    told = run("erase_person", "lea")
    for sentence in (
        "1 sessions",
        "1 turns",
        "1 searches",
        "2 audit events of the person",
        "1 documents: they belong",
    ):
        assert sentence in told
    assert "Nothing was changed" in told
    assert User.objects.filter(username="lea").exists()
    assert list(AuditEvent.objects.values_list("subject", "actor_name")) == before


def test_an_erased_person_is_gone_also_from_the_audit_log(lea, client):
    client.force_login(lea)
    run("erase_person", "lea", "--yes")
    assert not User.objects.filter(username="lea").exists()
    assert set(Session.objects.values_list("user__username", flat=True)) == {"leander"}
    assert client.get(reverse("workspaces")).status_code == 302
    said = [
        " ".join((event.actor_name, event.subject, json.dumps(event.detail)))
        for event in AuditEvent.objects.exclude(action__startswith="document.")
    ]
    assert not [each for each in said if "lea " in f"{each} ".replace("leander", "").replace("leaves", "")]
    assert [each for each in said if "leander" in each], "others keep their names"
    assert "192.0.2.7" in str(AuditEvent.objects.get(subject="leander", action="login.throttled").detail)
    erased = AuditEvent.objects.get(action="document.add", subject="lea.txt")
    assert (erased.actor_name[:7], erased.user_id) == ("erased-", None)
    throttled = AuditEvent.objects.get(action="login.throttled", subject=erased.actor_name)
    assert "address" not in throttled.detail
    assert AuditEvent.objects.get(action="user.erase").subject == erased.actor_name


def test_a_name_is_erased_from_the_audit_log_after_the_account_was_deleted(lea):
    delete_user(None, lea)
    assert "no lea2" in _refusal("erase_person", "lea2", "--yes")
    run("erase_person", "lea", "--yes")
    assert not AuditEvent.objects.filter(actor_name="lea").exists()
    assert not AuditEvent.objects.filter(subject="lea").exists()


def test_the_last_operator_is_not_erased(operator):
    assert "last operator" in _refusal("erase_person", "op", "--yes")
    assert User.objects.get(username="op").is_operator


def _refusal(*arguments):
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    return str(refusal.value)
