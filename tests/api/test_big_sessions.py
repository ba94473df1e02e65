"""A session with very many turns is out of reach at once, and a worker deletes it in parts."""

import io
import tracemalloc
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts import deletion
from accounts.models import Deletion
from accounts.tasks import continue_deletion
from chat.models import Answer, AnswerEvent, Session, Summary, Turn
from chat.queue import claims
from core.db.cascade import PART
from ragsite.personal_data.erasure import erase, find_person
from tests import factories

pytestmark = pytest.mark.django_db

TURNS = 600


@pytest.fixture
def ada():
    return factories.user(username="ada")


@pytest.fixture
def session(ada):
    found = factories.session(ada, title="My salary")
    ids = [uuid4() for _ in range(TURNS)]
    Turn.objects.bulk_create(Turn(id=id, session=found, message_id=str(id), text="How much?") for id in ids)
    Answer.objects.bulk_create(
        Answer(
            id=id, turn_id=id, endpoint_name="m", status="finished", text="Much.", ended_at=found.created_at
        )
        for id in ids
    )
    AnswerEvent.objects.bulk_create(AnswerEvent(answer_id=id, seq=1, kind="finished") for id in ids)
    return found


@pytest.fixture
def deleted(api, ada, session):
    """The session, which its user has just deleted."""
    assert api(ada)("DELETE", f"sessions/{session.pk}").status_code == 204
    assert Turn.objects.filter(session=session).count() == TURNS, "a worker has them still to do"
    return session


def finish():
    while row := Deletion.objects.filter(finished_at=None).first():
        continue_deletion(row.pk)


def test_it_disappears_at_once_from_pages_search_and_the_api(api, ada, deleted, client):
    answer = Answer.objects.filter(turn__session=deleted).first()
    program = api(ada)
    assert program("GET", f"sessions/{deleted.pk}").status_code == 404
    assert program("DELETE", f"sessions/{deleted.pk}").status_code == 404
    assert program("GET", "sessions").json()["results"] == []
    client.force_login(ada)
    for name, key in (("session", deleted.pk), ("answer", answer.pk), ("answer-why", answer.pk)):
        assert client.get(reverse(name, args=[key])).status_code == 404
    for address in (reverse("chat"), f"{reverse('sessions')}?q=salary", f"{reverse('sessions')}?q=Much"):
        assert "My salary" not in client.get(address).content.decode()
    traces = io.StringIO()
    call_command("export_traces", stdout=traces)
    assert "Much" not in traces.getvalue()


def test_a_question_that_is_sent_to_it_again_is_refused(api, ada, deleted):
    factories.chat_endpoint()
    reply = api(ada)("POST", f"sessions/{deleted.pk}/turns", {"messageId": "again", "text": "And now?"})
    assert reply.status_code == 404
    assert not Turn.objects.filter(message_id="again").exists()


def test_what_is_being_answered_in_it_ends(api, ada, session):
    turn = session.turns.create(message_id="last", text="And now?")
    Answer.objects.create(turn=turn, endpoint_name="m", status=Answer.Status.QUEUED)
    Summary.objects.create(session=session, status=Summary.Status.QUEUED)
    api(ada)("DELETE", f"sessions/{session.pk}")
    assert not Answer.objects.exclude(status="finished").exists()
    assert not Summary.objects.exists()
    Answer.objects.create(turn=turn, endpoint_name="m", status=Answer.Status.QUEUED)  # a moment too late
    assert claims.claim_next(1, []) == []


def test_operators_see_the_progress_but_not_its_title(deleted, client):
    client.force_login(factories.operator())
    for name in ("accounts_deletion", "chat_session", "chat_answer"):
        page = client.get(reverse(f"admin:{name}_changelist"))
        assert page.status_code == 200
        assert "My salary" not in page.content.decode()
    assert "ada" not in client.get(reverse("admin:chat_session_changelist")).content.decode()
    row = Deletion.objects.get()
    assert (row.name, row.actor_name) == ("a chat", "ada")


def test_it_is_deleted_in_parts_with_progress_and_little_memory(ada, deleted, monkeypatch):
    other = factories.answer(factories.session(ada))
    row = Deletion.objects.get()
    monkeypatch.setattr(deletion, "_TURN_S", 0)  # each turn ends after one part
    continue_deletion(row.pk)
    row.refresh_from_db()
    assert (row.total, 0 < row.done <= PART) == (3 * TURNS + 1, True)
    monkeypatch.undo()
    tracemalloc.start()
    try:
        finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000, f"{peak:,} bytes"
    row.refresh_from_db()
    assert (row.done, row.error) == (row.total, "")
    assert Answer.objects.get() == other
    assert not AnswerEvent.objects.exists()


def test_an_erased_person_leaves_none_of_it_behind(ada, deleted):
    person = find_person("ada")
    assert person
    for _ in erase(person):
        pass
    assert not Session.objects.exists()
    assert not Turn.objects.exists()
    finish()
    assert Deletion.objects.get().error == ""
