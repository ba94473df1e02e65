"""What the search over one's conversations finds, quotes and leaves out."""

import pytest
from django.utils import timezone

from accounts.models import User
from chat.finding import text_index
from chat.finding.conversation_search import search_conversations
from chat.models import Answer, IndexedText, Session
from tests import factories
from workspaces.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user()


def titles(user: User, words: str) -> list[str]:
    return [each.session.title for each in search_conversations(user, words).sessions]


def quote(user: User, words: str) -> str:
    """Return the snippet of the only session that is found, its marked words in brackets."""
    [found] = search_conversations(user, words).sessions
    return "".join(f"[{part}]" if is_marked else part for part, is_marked in found.snippet)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("pump 7 day 3", "Pump 7: Day 3"),
        ("half-day list", "The half-day list is long."),
        ("half day", "The half-day list is long."),
        ("開発", "新しいソフトウェア開発の計画です。"),
        ("ソフト", "新しいソフトウェア開発の計画です。"),
        ("valve", "Call valve.open first."),
        ("valve.open", "Call valve.open first."),
        ("ovrelap", "An overlap of two weeks."),
        ("overlapp", "An overlap of two weeks."),
        ("verlap", "An overlap of two weeks."),
        ("насоз", "Проверьте насос каждый день."),
        ("VALVES", "One valve leaks."),
        ("valve", "All valves leak."),
        ("leaki", "A leaking pipe."),
        ("resume", "Das Résumé liegt bei."),
        ("Größe", "GROSSE oder GRÖSSE?"),
        ("ventil", "Das Sicherheitsventil klemmt."),
        ("قارئ", "هذا قارئ جيد."),
        ("err_42", "The log says ERR_42 twice."),
        ('"two weeks"', "An overlap of two weeks."),
        ("weeks -months", "An overlap of two weeks."),
    ],
)
def test_a_text_is_found_as_people_type_it(ada: User, words: str, text: str) -> None:
    factories.answer(factories.session(ada, title="Here"), "What is it?", text=text)
    factories.answer(factories.session(ada, title="Elsewhere"), "Who are you?", text="Nothing of this kind.")
    assert titles(ada, words) == ["Here"]


@pytest.mark.parametrize("words", ["two months", '"weeks two"', "overlap -weeks", "zebra", "-", '"', "' | !"])
def test_what_no_text_has_is_not_found(ada: User, words: str) -> None:
    factories.answer(factories.session(ada, title="Here"), "What is it?", text="An overlap of two weeks.")
    assert titles(ada, words) == []


def test_words_of_the_question_the_answer_and_the_title_are_found_together(ada: User) -> None:
    session = factories.session(ada, title="Deposits")
    factories.answer(session, "What does clause four say?", text="It is returned.")
    factories.answer(session, "And later?", text="With interest.")
    for words in ("clause returned", "deposits interest", "clause interest"):
        assert titles(ada, words) == ["Deposits"], words


def test_the_snippet_quotes_the_newest_turn_and_marks_the_words(ada: User) -> None:
    session = factories.session(ada)
    factories.answer(session, text="The valve is old.")
    newest = factories.answer(
        session, text=f"{'First of all. ' * 30}Close the **valves** <b>now</b> [1]. {'And so on. ' * 30}"
    )
    [found] = search_conversations(ada, "valve").sessions
    assert found.turn_id == newest.turn_id
    said = quote(ada, "valve")
    assert "Close the [valves] <b now</b" in said
    assert said.startswith("…")
    assert said.endswith("…")
    assert len(said) < 200


def test_a_misspelt_word_is_marked_as_the_text_has_it(ada: User) -> None:
    factories.answer(factories.session(ada), text="An overlap of two weeks.")
    assert quote(ada, "ovrelap") == "An [overlap] of two weeks."


def test_the_question_is_quoted_if_it_has_the_words(ada: User) -> None:
    factories.answer(factories.session(ada), "Where is the valve?", text="In the cellar.")
    assert quote(ada, "valve") == "Where is the [valve]?"
    assert quote(ada, "cellar") == "In the [cellar]."


def test_sessions_with_the_words_in_their_title_come_first_then_the_newest(ada: User) -> None:
    named = factories.session(ada, title="Valve")
    for title in ("Old", "New"):
        factories.answer(factories.session(ada, title=title), text="A valve.")
    Session.objects.filter(pk=named.pk).update(updated_at=timezone.now() - timezone.timedelta(days=9))
    assert titles(ada, "valve") == ["Valve", "New", "Old"]


def test_nothing_of_another_user_is_found(ada: User) -> None:
    factories.answer(factories.session(factories.user(), title="Theirs valve"), text="A valve.")
    assert titles(ada, "valve") == []


def test_an_answer_that_has_just_ended_and_a_new_title_are_found_at_once(ada: User) -> None:
    session = factories.session(ada, title="Before")
    answer = factories.answer(session, text="", status=Answer.Status.RUNNING, ended_at=None)
    assert titles(ada, "valve") == []
    Answer.objects.filter(pk=answer.pk).update(text="A valve.", status="finished", ended_at=timezone.now())
    assert titles(ada, "valve") == ["Before"]
    Session.objects.filter(pk=session.pk).update(title="After")
    assert titles(ada, "before") == []
    assert titles(ada, "after") == ["After"]


def test_an_answer_above_ones_level_or_of_a_workspace_one_has_left_is_neither_found_nor_quoted(
    ada: User,
) -> None:
    workspace = factories.workspace()
    membership = Membership.objects.create(workspace=workspace, user=ada)
    document = factories.document(workspace)
    session = factories.session(ada, title="Moons")
    factories.answer(
        session,
        "Which is large?",
        text="Luminarii [1].",
        workspace=workspace,
        passages=[{"document": document}],
    )
    factories.answer(factories.session(ada, title="Other"), text="Luminarius is not it.")
    assert titles(ada, "luminarii") == ["Moons"]
    workspace.access_levels = ["Everybody", "Staff"]
    workspace.save()
    document.access_level = 1
    document.save()
    assert titles(ada, "luminarii") == []
    assert titles(ada, "lumniarii") == []
    assert quote(ada, "large") == "Which is [large]?"
    document.access_level = 0
    document.save()
    assert titles(ada, "luminarii") == ["Moons"]
    membership.delete()
    assert titles(ada, "luminarii") == []


def test_chat_completions_and_deleted_sessions_leave_nothing_in_the_index(ada: User) -> None:
    factories.answer(factories.session(ada, title="Program", preface=[]), text="A valve.")
    kept = factories.session(ada, title="Person")
    factories.answer(kept, text="A valve.")
    assert titles(ada, "valve") == ["Person"]
    assert set(IndexedText.objects.values_list("session", flat=True)) == {kept.pk}
    kept.delete()
    assert not IndexedText.objects.exists()


def test_a_worker_indexes_in_batches_and_the_search_says_until_then_that_it_is_not_complete(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_index, "BATCH", 2)
    session = factories.session(ada, title="Long")
    for number in range(5):
        factories.answer(session, f"Question {number}?", text="A valve.")
    assert not text_index.index_texts(within_s=0)
    assert text_index.index_texts()
    assert search_conversations(ada, "valve").is_complete
    assert IndexedText.objects.count() == 11


def test_what_an_earlier_analyzer_indexed_is_indexed_again(ada: User) -> None:
    factories.answer(factories.session(ada, title="Here"), text="A valve.")
    text_index.index_texts()
    IndexedText.objects.update(analyzer=0, words="")
    assert titles(ada, "valve") == []
    assert list(text_index.forget_outdated())
    assert titles(ada, "valve") == ["Here"]
