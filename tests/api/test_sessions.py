import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.models import Answer, AnswerPassage, Session, Summary, Turn
from tests import factories

pytestmark = pytest.mark.django_db


def answered(user, text="What now?"):
    session = Session.objects.create(user=user, title=text)
    turn = Turn.objects.create(session=session, message_id="m1", text=text)
    answer = Answer.objects.create(
        turn=turn,
        endpoint_name="small",
        status="finished",
        grounding="found",
        text="This [1].",
        output_tokens=3,
    )
    AnswerPassage.objects.create(
        answer=answer,
        number=1,
        document_title="Guide",
        section=2,
        start=0,
        end=5,
        text="Words",
        title_path=["A"],
    )
    return session


def test_a_session_is_begun_and_found_again(api):
    program = api(factories.user())
    made = program("POST", "sessions", {"title": "Plans", "isPinned": True})
    assert made.status_code == 201
    assert program("GET", "sessions").json()["results"] == [made.json()]


def test_a_session_is_read_with_its_turns_answers_and_passages(api):
    user = factories.user()
    session = answered(user)
    read = api(user)("GET", f"sessions/{session.pk}").json()
    [turn] = read["turns"]
    [answer] = turn["answers"]
    [passage] = answer["passages"]
    assert (turn["text"], turn["messageId"], turn["workspaceId"]) == ("What now?", "m1", None)
    assert (answer["text"], answer["model"], answer["status"], answer["outputTokens"]) == (
        "This [1].", "small", "finished", 3,
    )  # fmt: skip
    assert (passage["number"], passage["documentTitle"], passage["titlePath"]) == (1, "Guide", ["A"])


def test_a_long_session_takes_as_many_queries_as_a_short_one(api, django_assert_max_num_queries):
    user = factories.user()
    session = answered(user)
    for _ in range(10):
        turn = factories.turn(session, "More?")
        Answer.objects.create(turn=turn, endpoint_name="small")
    program = api(user)
    with django_assert_max_num_queries(9):
        assert len(program("GET", f"sessions/{session.pk}").json()["turns"]) == 11


def test_deleting_takes_all_of_it(api):
    user = factories.user()
    session = answered(user)
    program = api(user)
    assert program("DELETE", f"sessions/{session.pk}").status_code == 204
    assert program("GET", f"sessions/{session.pk}").status_code == 404
    assert not Turn.objects.exists()


@pytest.mark.parametrize("make", [factories.user, factories.operator])
def test_somebody_elses_session_is_not_there_not_even_for_an_operator(api, make):
    session = answered(factories.user())
    program = api(make())
    assert program("GET", "sessions").json()["count"] == 0
    assert program("GET", f"sessions/{session.pk}").status_code == 404
    assert program("DELETE", f"sessions/{session.pk}").status_code == 404
    assert Session.objects.filter(pk=session.pk).exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x" * 121}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"user": "me"}, "user"),
        ({"id": "x"}, "id"),
    ],
)
def test_a_session_that_cannot_be_is_refused_beside_its_field(api, body, field):
    response = api(factories.user())("POST", "sessions", body)
    assert response.status_code == 400
    assert set(response.json()) == {field}


def test_the_summary_of_a_session_is_read_forgotten_and_begun_again(api):
    user = factories.user()
    session = answered(user)
    program, place = api(user), f"sessions/{session.pk}/summary"
    none = program("GET", place).json()
    assert (none["text"], none["isOn"], none["lastTurnId"]) == ("", True, None)
    last = session.turns.get()
    Summary.objects.create(session=session, text="They planned.", last_turn=last, cost="0.002")
    read = program("GET", place).json()
    assert (read["text"], read["lastTurnId"], read["cost"]) == ("They planned.", str(last.pk), "0.002000")
    off = program("PATCH", place, {"isOn": False}).json()
    assert (off["text"], off["isOn"], off["lastTurnId"]) == ("", False, None)
    assert program("PATCH", place, {"isOn": True}).json()["isOn"]
    assert program("PATCH", place, {"text": "mine"}).status_code == 400


def test_the_summary_of_somebody_elses_session_is_not_there(api):
    session = answered(factories.user())
    for method, body in (("GET", None), ("PATCH", {"isOn": False})):
        assert api(factories.user())(method, f"sessions/{session.pk}/summary", body).status_code == 404


def test_an_answer_says_what_was_broken_off(api):
    user = factories.user()
    session = answered(user)
    lost = {"fence": 1, "input_tokens": 9, "output_tokens": 2, "cost": "0.01", "is_estimate": True}
    Answer.objects.update(broken_off=[lost])
    [turn] = api(user)("GET", f"sessions/{session.pk}").json()["turns"]
    assert turn["answers"][0]["brokenOff"] == [
        {"fence": 1, "inputTokens": 9, "outputTokens": 2, "cost": "0.010000", "isEstimate": True}
    ]


def test_an_edited_question_is_another_version_and_each_branch_can_be_read_and_shown(api):
    user = factories.user()
    factories.chat_endpoint()
    program, session = api(user), factories.session(user)

    def ask(text, **fields):
        return program(
            "POST", f"sessions/{session.pk}/turns", {"text": text, "messageId": text, **fields}
        ).json()

    def texts(query=""):
        return [each["text"] for each in program("GET", f"sessions/{session.pk}{query}").json()["turns"]]

    first, second = ask("one"), ask("two")
    assert (first["parentId"], second["parentId"]) == (None, first["id"])
    edited = ask("one-again", editsId=first["id"])
    assert edited["versionIds"] == [first["id"], edited["id"]]
    assert (texts(), texts(f"?turn={first['id']}")) == (["one-again"], ["one", "two"])
    shown = program("PUT", f"sessions/{session.pk}/turns/{first['id']}/shown")
    assert (shown.status_code, texts()) == (204, ["one", "two"])
    assert ask("three")["parentId"] == second["id"]
    assert ask("elsewhere", followsId=edited["id"])["parentId"] == edited["id"]


@pytest.mark.parametrize("turn", ["x", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_turn_has_no_branch(api, turn):
    user = factories.user()
    session = answered(user)
    reply = api(user)("GET", f"sessions/{session.pk}?turn={turn}")
    words = (
        (400, "must be the id of a turn") if turn == "x" else (404, "no such question in this conversation")
    )
    assert (reply.status_code, words[1] in str(reply.json())) == (words[0], True)


def test_both_places_of_a_question_are_refused(api):
    user = factories.user()
    factories.chat_endpoint()
    session = answered(user)
    turn = str(session.turns.get().pk)
    asked = {"text": "two", "messageId": "two", "followsId": turn, "editsId": turn}
    reply = api(user)("POST", f"sessions/{session.pk}/turns", asked)
    assert (reply.status_code, "not both" in str(reply.json())) == (400, True)


def test_a_question_costs_the_same_in_a_long_session(api):
    """The reply names the versions of the question without reading the other turns."""
    user = factories.user()
    factories.chat_endpoint()
    session = factories.session(user)
    for _ in range(30):
        factories.turn(session)
    with CaptureQueriesContext(connection) as queries:
        asked = api(user)("POST", f"sessions/{session.pk}/turns", {"text": "one", "messageId": "one"}).json()
    assert asked["versionIds"] == [asked["id"]]
    assert not [each for each in queries if '"shown_at" FROM' in (each["sql"] or "")], (
        "the tree of all turns was read"
    )
