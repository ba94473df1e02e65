"""The frames of the socket over plain HTTP."""

import json
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from chat.models import Answer, Turn
from chat.socket import actions
from core.rate import Buckets
from tests import factories

pytestmark = pytest.mark.django_db
FRAMES = reverse("chat-frames")


@pytest.fixture
def send(client, asker, endpoint):
    """Return a function that sends a frame as the asker, and returns the frames of the reply."""
    client.force_login(asker)

    def send(action, **data):
        reply = client.post(FRAMES, json.dumps({"action": action, "data": data}), content_type="text/plain")
        assert reply.status_code == 200
        return reply.json()["frames"]

    return send


def run(send, **data):
    return send("run", **{"text": "What is a pump?", "messageId": "m-1"} | data)


def test_a_question_is_accepted_once(send, endpoint):
    [accepted] = run(send)
    assert accepted["action"] == "accepted"
    assert accepted["data"]["answers"][0]["model"] == endpoint.name
    assert run(send) == [accepted]
    assert Turn.objects.count() == 1


def test_what_is_refused_says_why_with_its_message_id(send):
    [refused] = run(send, text=" ")
    assert refused["action"] == "error"
    assert refused["data"]["messageId"] == "m-1"
    [half] = run(send, text="half \ud83d")
    assert "half of a character" in half["data"]["message"]
    assert half["data"]["messageId"] == "m-1"
    assert not Turn.objects.exists()


def test_an_answer_is_stopped_and_asked_for_again(send):
    run(send)
    answer = Answer.objects.get()
    assert send("stop", answerId=str(answer.pk)) == []
    answer.refresh_from_db()
    assert answer.status == Answer.Status.STOPPED
    [accepted] = send("regenerate", answerId=str(answer.pk), messageId="m-2")
    assert accepted["data"]["replaces"] == str(answer.pk)


def test_an_answer_of_another_user_is_not_there(send):
    other = factories.answer(factories.session(factories.user()))
    [refused] = send("stop", answerId=str(other.pk))
    assert refused["action"] == "error"
    assert send("stop", answerId=str(uuid4()))[0]["data"]["message"] == refused["data"]["message"]


def test_a_page_of_another_site_cannot_send_frames(asker):
    client = Client(enforce_csrf_checks=True)
    client.force_login(asker)
    frame = {"action": "run", "data": {"text": "Hi", "messageId": "m-1"}}
    assert client.post(FRAMES, json.dumps(frame), content_type="text/plain").status_code == 403


def test_a_flood_of_frames_is_refused_until_later_also_of_those_that_are_not_valid(
    client, asker, endpoint, monkeypatch
):
    monkeypatch.setattr(actions, "_frames", Buckets(per_s=0.1, burst=2))
    other = Client()
    client.force_login(asker)
    other.force_login(factories.user())
    frame = {"action": "run", "data": {"text": "Hi", "messageId": "m-1"}}

    def post(sender, content):
        return sender.post(FRAMES, content, content_type="text/plain")

    assert [post(client, each).status_code for each in ("{", json.dumps(frame))] == [200, 200]
    for content in ("{", json.dumps(frame)):
        refused = post(client, content)
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
    assert Turn.objects.count() == 1
    assert post(other, json.dumps(frame)).status_code == 200
