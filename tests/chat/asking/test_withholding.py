"""An answer is withheld from its asker once they may not see a document that it rests on."""

import pytest
from django.test import Client

from chat.asking.turns import WITHHELD
from tests import factories
from tests.api.conftest import Api
from workspaces.models import Membership

pytestmark = pytest.mark.django_db

SECRET = "The merger is planned for May."


@pytest.fixture
def workspace():
    return factories.workspace(access_levels=["everyone", "board"])


@pytest.fixture(params=[0, 1], ids=["open document", "document of the board"])
def answer(request, workspace):
    asker = factories.member(workspace)
    Membership.objects.filter(user=asker).update(access_level=1)
    document = factories.document(workspace, access_level=request.param)
    passages = [{"document": document, "text": SECRET}]
    trace = {"prompt": [{"role": "user", "text": SECRET}], "candidates": [], "thinking": SECRET}
    made = factories.answer(
        factories.session(asker), workspace=workspace, text=SECRET, passages=passages, trace=trace
    )
    newer = factories.version(made, text=SECRET, trace=trace)
    newer.passages.create(number=1, document=document, section=0, start=0, end=4, text=SECRET)
    return made


def everything_shown(answer):
    """Return what the asker gets at every door that shows the answer."""
    asker, session = answer.turn.session.user, answer.turn.session
    api, pages = Api(asker), Client()
    pages.force_login(asker)
    replies = [api("GET", f"answers/{answer.pk}"), api("GET", f"sessions/{session.pk}")]
    replies += [api("GET", f"answers/{answer.pk}/trace"), api("GET", f"answers/{answer.pk}/events")]
    replies += [pages.get(path) for path in (f"/chat/{session.pk}/", f"/answers/{answer.pk}/why/")]
    replies += [pages.get(f"/answers/{answer.pk}/passages/1/"), pages.get(f"/answers/{answer.pk}/")]
    replies += list(resends(answer, api, pages))
    return "".join(b"".join(each).decode() if each.streaming else each.content.decode() for each in replies)


def resends(answer, api, pages):
    """Send the question again, and the wish for another version: a resend finds what there is."""
    turn, version = answer.turn, answer.turn.answers.get(message_id__isnull=False)
    asked = {"messageId": turn.message_id, "text": turn.text, "workspaceId": str(turn.workspace_id)}
    again = {"answerId": str(answer.pk), "messageId": version.message_id}
    yield api("POST", f"sessions/{turn.session_id}/turns", asked)
    yield api("POST", f"answers/{answer.pk}/regenerate", {"messageId": again["messageId"]})
    for action, data in (("run", asked | {"sessionId": str(turn.session_id)}), ("regenerate", again)):
        yield pages.post("/chat/frames/", {"action": action, "data": data}, content_type="application/json")


def test_the_answer_is_shown_while_its_documents_may_be_seen(answer):
    assert SECRET in everything_shown(answer)


def test_nothing_is_shown_after_the_membership_has_ended(answer):
    Membership.objects.all().delete()
    shown = everything_shown(answer)
    assert SECRET not in shown
    assert WITHHELD in shown


def test_the_level_decides_after_it_was_lowered(answer):
    Membership.objects.update(access_level=0)
    is_of_the_board = answer.passages.get().document.access_level == 1
    assert (SECRET not in everything_shown(answer)) == is_of_the_board
