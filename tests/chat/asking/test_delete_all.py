"""A user deletes all conversations, after typing a word, and over REST."""

import pytest
from django.urls import reverse

from accounts import deletion
from accounts.models import AuditEvent, Deletion
from chat.models import Answer, Session, Turn
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(client):
    user = factories.user()
    client.force_login(user)
    for number in range(3):
        factories.answer(factories.session(user), f"question {number}")
    factories.answer(factories.session(user, preface={"instructions": "", "exchanges": []}))
    factories.answer(factories.session(factories.user()), "another's")
    return user


def left():
    return list(Turn.objects.values_list("text", flat=True))


def test_the_page_counts_and_wants_the_word(client, user):
    address = reverse("sessions-delete-all")
    page = client.get(address).content.decode()
    assert "4 conversations with 4 questions, 1 of them from programs" in page
    for typed in ({}, {"confirm": "yes"}):
        refused = client.post(address, typed)
        assert (refused.status_code, "Nothing was deleted" in refused.content.decode()) == (400, True)
    assert Session.objects.count() == 5
    done = client.post(address, {"confirm": " Delete "}, follow=True)
    assert "4 conversations deleted." in done.content.decode()
    assert left() == ["another's"]
    assert AuditEvent.objects.get(action="session.delete_all").detail == {"count": 4}
    assert "nothing to delete" in client.get(address).content.decode()


def test_the_api_wants_a_confirmation(client, user):
    address = reverse("api-sessions-all")
    refused = client.delete(address)
    assert (refused.status_code, "4 sessions" in refused.json()["detail"]) == (400, True)
    assert client.delete(f"{address}?confirm=delete").json() == {"deleted": 4}
    assert left() == ["another's"]


def test_many_rows_are_out_of_reach_at_once_and_go_in_parts(client, user, monkeypatch):
    monkeypatch.setattr(deletion, "AT_ONCE", 3)
    Answer.objects.filter(turn__text="question 0").update(status="running")
    client.delete(f"{reverse('api-sessions-all')}?confirm=delete")
    assert client.get(reverse("api-sessions")).json()["count"] == 0
    assert not Answer.objects.filter(status="running").exists(), "nothing writes into what is being deleted"
    assert len(left()) == 5
    factories.answer(factories.session(user), "asked since")
    deletion.go_on(Deletion.objects.get().pk)
    found = Deletion.objects.get()
    assert found.finished_at
    assert found.done >= found.total == 4 * 3 - 1
    assert set(left()) == {"another's", "asked since"}
