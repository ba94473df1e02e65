"""The chat page and its parts, as the server renders them (without JavaScript)."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from chat.models import Answer, Session, Summary, Turn
from tests import factories
from workspaces.models import Role, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user(username="ada")


@pytest.fixture
def page(client: Client, ada: User) -> Callable[..., str]:
    """Return a function that fetches an address as ada and returns the page."""
    client.force_login(ada)

    def page(address: str, **headers: str) -> str:
        response = client.get(address, headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return page


@pytest.fixture
def handbook(ada: User) -> Workspace:
    made = factories.workspace(name="Handbook")
    made.memberships.create(user=ada, role=Role.VIEWER)
    return made


def _address(session: Session) -> str:
    return reverse("session", args=[session.pk])


def _checked(page: str, name: str) -> str:
    """Return the label of the selected option of a picker."""
    inputs = re.findall(r"<input[^>]*>", page)
    (chosen,) = [each for each in inputs if f'name="{name}"' in each and " checked" in each]
    found = re.search(r'data-label="([^"]*)"', chosen)
    assert found
    return found[1]


# --- a new chat ----------------------------------------------------------------------------------


def test_a_new_chat_says_what_it_is_for(page: Callable[..., str]) -> None:
    assert "What would you like to know?" in page(reverse("chat"))


def test_a_new_chat_needs_a_login(client: Client) -> None:
    assert client.get(reverse("chat")).status_code == 302


def test_a_new_chat_begins_with_the_workspace_in_the_address(
    page: Callable[..., str], handbook: Workspace
) -> None:
    assert _checked(page(f"{reverse('chat')}?workspace={handbook.pk}"), "workspace") == "Handbook"


def test_a_new_chat_offers_no_workspace_of_others(page: Callable[..., str]) -> None:
    theirs = factories.workspace(name="Secret plans")
    html = page(f"{reverse('chat')}?workspace={theirs.pk}")
    assert "Secret plans" not in html
    assert _checked(html, "workspace") == "No workspace"


def test_a_new_chat_begins_with_the_workspace_asked_last(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    other = factories.workspace(name="Archive", created_by=ada)
    session = factories.session(ada)
    factories.answer(session, workspace=handbook)
    factories.answer(session, workspace=other)
    assert _checked(page(reverse("chat")), "workspace") == "Archive"


def test_a_newcomer_begins_with_a_workspace_that_holds_something(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    factories.workspace(name="An empty one", created_by=ada)
    factories.document(handbook)
    assert _checked(page(reverse("chat")), "workspace") == "Handbook"


def _starters(html: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'data-suggest="([^"]*)"', html)]


def test_a_new_chat_begins_with_whole_questions(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    """Of pairs, of the headings of documents that can be seen, and one's own whose answer was good."""
    now = timezone.now()
    factories.document(handbook, title="How much is the fee?", kind="qa", ready_at=now)
    for title, language, status in (
        ("Fees.pdf", "en", "ready"), ("Gebühren.pdf", "de", "ready"), ("Broken.pdf", "en", "failed"),
    ):  # fmt: skip
        document = factories.document(handbook, title=title, language=language, status=status, ready_at=now)
        factories.section(document, "x " * 200, title_path=["Rules", "Introduction"], position=0)
        factories.section(document, "x " * 200, title_path=["Rules", "Late payment"], position=1)
        now -= timedelta(hours=1)
    address = f"{reverse('chat')}?workspace={handbook.pk}"
    html = page(address, hx_request="true")
    assert "<html" not in html
    assert _starters(html) == [
        "How much is the fee?",
        "What should I know about “Late payment”?",
        "Was muss ich über „Late payment“ wissen?",
    ]
    for user, text in ((ada, "Mine, and good"), (factories.user(), "Of another")):
        answer = factories.answer(factories.session(user), text, workspace=handbook)
        answer.ratings.create(user=user, is_good=True)
    assert _starters(page(address))[:2] == ["Mine, and good", "How much is the fee?"]


def test_no_question_is_about_a_document_above_ones_level(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    handbook.memberships.filter(user=ada).update(role="viewer", access_level=0)
    type(handbook).objects.filter(pk=handbook.pk).update(access_levels=["open", "secret"])
    document = factories.document(handbook, title="Secret.pdf", access_level=1, ready_at=timezone.now())
    factories.section(document, "x " * 200, title_path=["Rules", "Late payment"], position=0)
    assert _starters(page(f"{reverse('chat')}?workspace={handbook.pk}")) == []


def test_models_are_offered_with_what_they_are_and_whether_they_are_well(page: Callable[..., str]) -> None:
    factories.chat_endpoint(name="Well", rank=1, licence="Apache-2.0", size_bytes=2**30, note="Quick")
    factories.chat_endpoint(name="Ill", rank=2, last_check_ok=False, last_error="It is down.")
    factories.chat_endpoint(name="Switched off", is_enabled=False)
    html = page(reverse("chat"))
    assert _checked(html, "model") == "Well"
    assert "Apache-2.0 · 1.0" in html
    assert html.count("Not answering") == 1
    assert "Switched off" not in html


def test_the_default_model_is_the_first_that_is_well(page: Callable[..., str]) -> None:
    factories.chat_endpoint(name="Ill", rank=1, last_check_ok=False)
    factories.chat_endpoint(name="Well", rank=2)
    assert _checked(page(reverse("chat")), "model") == "Well"


def test_parameters_stand_at_their_defaults(page: Callable[..., str]) -> None:
    html = page(reverse("chat"))
    values = dict(re.findall(r'name="(maxTokens|temperature|topP)"\s+value="([^"]+)"', html))
    assert values == {"maxTokens": "512", "temperature": "0.1", "topP": "1.0"}
    assert 'name="streaming" checked' in html
    assert 'name="metadata">' in html


def test_the_page_runs_under_its_content_security_policy(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = factories.session(ada)
    factories.answer(session, text="|a|\n|-:|\n|1|\n\n```python\nx = 1\n```")
    response = client.get(_address(session))
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    html = response.content.decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style", html)
    assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", html))


# --- a session -----------------------------------------------------------------------------------


def test_a_session_shows_its_turns_in_order(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada, title="Fees")
    factories.answer(session, "First <question>?", text="The **first** answer")
    factories.answer(session, "Second question?", text="The second answer")
    html = page(_address(session))
    places = [
        html.index(words) for words in ("First &lt;question&gt;?", "The <strong>first</strong>", "Second q")
    ]
    assert places == sorted(places)
    assert "<title>Fees" in html


def test_the_back_button_shows_a_session_as_it_is_now(client: Client, ada: User) -> None:
    client.force_login(ada)
    response = client.get(_address(factories.session(ada)))
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["session", "session-rename", "session-pin", "session-delete"])
def test_sessions_of_others_are_not_there(client: Client, ada: User, name: str) -> None:
    client.force_login(ada)
    theirs = factories.session(factories.user(), title="Theirs")
    address = reverse(name, args=[theirs.pk])
    response = client.get(address) if name == "session" else client.post(address, {"title": "Mine"})
    assert response.status_code == 404
    theirs.refresh_from_db()
    assert (theirs.title, theirs.is_pinned) == ("Theirs", False)


def test_a_session_goes_on_with_the_workspace_and_model_it_had(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    factories.chat_endpoint(name="Default", rank=1)
    chosen = factories.chat_endpoint(name="Chosen", rank=2)
    session = factories.session(ada)
    factories.answer(session, workspace=handbook, endpoint=chosen)
    html = page(_address(session))
    assert (_checked(html, "workspace"), _checked(html, "model")) == ("Handbook", "Chosen")


def test_a_model_that_is_no_longer_offered_gives_way_to_the_default(
    page: Callable[..., str], ada: User
) -> None:
    factories.chat_endpoint(name="Ill", rank=1, last_check_ok=False)
    factories.chat_endpoint(name="Well", rank=2)
    gone = factories.chat_endpoint(name="Gone", is_enabled=False)
    session = factories.session(ada)
    factories.answer(session, endpoint=gone)
    assert _checked(page(_address(session)), "model") == "Well"


def test_a_long_session_takes_as_many_queries_as_a_short_one(
    client: Client, ada: User, handbook: Workspace
) -> None:
    client.force_login(ada)
    document = factories.document(handbook)
    short, long = factories.session(ada), factories.session(ada)
    for session, count in ((short, 1), (long, 12)):
        for _ in range(count):
            passages = [{"document": document}] * 3
            for grounding in ("found", "degraded"):
                factories.answer(
                    session, workspace=handbook, text="a [1]", passages=passages, grounding=grounding
                )
    client.get(_address(short))
    queries = []
    for session in (short, long):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(_address(session))
        queries.append(len(captured))
    assert queries[0] == queries[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"status": "failed", "error": "It is down."}, ["It is down.", "Your question is kept", "Try again"], id="failed"),
        pytest.param({"status": "failed", "error": "It broke.", "text": "So far"}, ["So far", "text so far is kept"], id="failed-half-way"),
        pytest.param({"status": "stopped", "text": "So far"}, ["So far", "Stopped by you"], id="stopped"),
        pytest.param({"text": "So far", "trace": {"finish_reason": "length"}, "parameters": {"max_tokens": 64}}, ["limit of 64 tokens"], id="cut"),
        pytest.param({}, ["The model returned an empty answer"], id="no-words"),
        pytest.param({"grounding": "nothing_relevant"}, ["Nothing relevant found", "Handbook", "Ask without the workspace", "Search Handbook"], id="nothing-relevant"),
        pytest.param({"grounding": "empty"}, ["Handbook is empty", "Ask without the workspace"], id="empty"),
        pytest.param({"grounding": "degraded", "text": "A guess"}, ["could not be searched", "is not based on your documents"], id="degraded"),
        pytest.param({"status": "queued", "ended_at": None}, ["data-live", "Waiting for its turn"], id="queued"),
        pytest.param({"status": "running", "ended_at": None}, ["data-live"], id="running"),
    ],
)  # fmt: skip
def test_each_state_of_an_answer_says_what_happened_and_what_to_do(
    page: Callable[..., str], ada: User, handbook: Workspace, fields: dict[str, Any], words: list[str]
) -> None:
    answer = factories.answer(factories.session(ada), workspace=handbook, **fields)
    html = page(reverse("answer", args=[answer.pk]))
    for each in words:
        assert each in html


def test_adding_documents_is_offered_to_those_who_may(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    answer = factories.answer(factories.session(ada), workspace=handbook, grounding="empty")
    address = reverse("answer", args=[answer.pk])
    assert "Add documents" not in page(address)
    handbook.memberships.filter(user=ada).update(role=Role.EDITOR)
    assert "Add documents" in page(address)


def test_why_a_search_failed_is_told(page: Callable[..., str], ada: User, handbook: Workspace) -> None:
    answer = factories.answer(
        factories.session(ada), workspace=handbook, text="A guess", grounding="degraded"
    )
    answer.events.create(
        seq=1, kind="sources", data={"error": "The embedding model is down.", "passages": []}
    )
    assert "The embedding model is down." in page(reverse("answer", args=[answer.pk]))


# --- an answer's passages ------------------------------------------------------------------------


def test_what_is_cited_stands_before_what_was_only_read(page: Callable[..., str], ada: User) -> None:
    passages = [{"document_title": title} for title in ("Read.pdf", "Cited.pdf")]
    answer = factories.answer(factories.session(ada), text="So it is [2].", passages=passages)
    html = page(reverse("answer", args=[answer.pk]))
    assert html.count('class="citation"') == 1
    assert html.index("Cited.pdf") < html.index("1 more read, not cited") < html.index("Read.pdf")


@pytest.mark.parametrize(
    "name", ["answer", "answer-why", "answer-passage", "answer-continue", "answer-fork", "answer-rating"]
)
def test_answers_of_others_are_not_there(client: Client, ada: User, name: str) -> None:
    client.force_login(ada)
    theirs = factories.answer(factories.session(factories.user()), passages=[{}])
    number = [1] if name == "answer-passage" else []
    ask = client.post if name in ("answer-continue", "answer-fork", "answer-rating") else client.get
    assert ask(reverse(name, args=[theirs.pk, *number])).status_code == 404


TEXT = "# Late payment\n\nThe first reminder is free. The second costs 12 euros. Ask in room 204."
CITED = "The second costs 12 euros."


@pytest.fixture
def cited(ada: User, handbook: Workspace) -> Answer:
    """Return an answer that cites a passage of a section."""
    document = factories.document(handbook, title="Fees.pdf")
    factories.section(document, TEXT, title_path=["Fees", "Late payment"], page=3)
    start = TEXT.index(CITED)
    passage = {
        "document": document, "document_title": "Fees.pdf", "text": CITED, "start": start,
        "end": start + len(CITED), "title_path": ["Fees", "Late payment"], "page": 3,
    }  # fmt: skip
    return factories.answer(
        factories.session(ada), workspace=handbook, text="It is 12 [1].", passages=[passage]
    )


def _passage(answer: Answer) -> str:
    return reverse("answer-passage", args=[answer.pk, 1])


def test_a_passage_is_highlighted_where_it_stands(page: Callable[..., str], cited: Answer) -> None:
    html = page(_passage(cited), x_requested_with="fetch")
    assert f"free. <mark>{CITED}</mark> Ask in room" in html
    assert "Fees › Late payment, page 3" in html
    assert "<html" not in html


def test_a_passage_links_to_its_place_in_the_document(page: Callable[..., str], cited: Answer) -> None:
    passage = cited.passages.get()
    document = reverse("document", args=[cited.turn.workspace_id, passage.document_id])
    place = f"{document}?section=0&amp;start={passage.start}&amp;end={passage.end}#passage"
    assert place in page(_passage(cited))


def test_a_passage_opened_apart_is_a_page_of_its_own(page: Callable[..., str], cited: Answer) -> None:
    html = page(_passage(cited))
    assert "<html" in html
    assert _address(cited.turn.session) in html


def test_a_long_section_is_cut_around_its_passage(page: Callable[..., str], cited: Answer) -> None:
    passage = cited.passages.get()
    assert passage.document
    passage.document.sections.update(text=TEXT[: passage.end] + " x" * 50_000)
    assert len(page(_passage(cited), x_requested_with="fetch")) < 20_000


def test_a_document_that_is_gone_leaves_the_stored_text(page: Callable[..., str], cited: Answer) -> None:
    document = cited.passages.get().document
    assert document
    document.delete()
    html = page(_passage(cited))
    assert "The document was deleted" in html
    assert CITED in html
    assert "<mark" not in html


def test_nothing_is_highlighted_in_a_document_that_changed(page: Callable[..., str], cited: Answer) -> None:
    document = cited.passages.get().document
    assert document
    document.sections.update(text="Now it costs " + TEXT)
    html = page(_passage(cited))
    assert "The document has changed" in html
    assert CITED in html
    assert "<mark" not in html


def test_a_user_who_left_the_workspace_reads_nothing_of_it(
    client: Client, ada: User, handbook: Workspace, cited: Answer
) -> None:
    client.force_login(ada)
    assert client.get(_passage(cited)).status_code == 200
    handbook.memberships.filter(user=ada).delete()
    assert client.get(_passage(cited)).status_code == 404
    assert "This answer is withheld" in client.get(reverse("answer", args=[cited.pk])).content.decode()


def test_a_number_without_a_passage_is_not_there(client: Client, ada: User, cited: Answer) -> None:
    client.force_login(ada)
    assert client.get(reverse("answer-passage", args=[cited.pk, 9])).status_code == 404


def test_the_trace_is_told_in_words(page: Callable[..., str], cited: Answer) -> None:
    cited.trace = {
        "question": "And now?", "sent": "Late fees? And now?", "timings_ms": {"total": 52.7},
        "legs": [
            {"name": "dense", "found": 40, "took_ms": 12.3, "error": ""},
            {"name": "lexical", "found": 0, "took_ms": 3.1, "error": "The words could not be searched."},
        ],
        "dropped": {"too long": 3},
        "passages": [
            {"number": 1, "score": 0.0328, "dense_rank": 1, "dense_score": 0.71, "lexical_rank": None, "lexical_score": None}
        ],
        "prompt": [{"role": "system", "text": "Answer <only> from the passages."}], "prompt_tokens": 123,
    }  # fmt: skip
    cited.save()
    html = page(reverse("answer-why", args=[cited.pk]))
    for words in (
        "Late fees? And now?", "40 candidates in 12 ms", "The words could not be searched.", "53 ms",
        "rank 1 · 0.710", "not found", "Answer &lt;only&gt; from the passages.", "about 123 tokens",
    ):  # fmt: skip
        assert words in html


def test_an_answer_from_before_there_were_traces_is_shown(page: Callable[..., str], cited: Answer) -> None:
    assert "Why these passages?" not in page(reverse("answer", args=[cited.pk]))
    assert "Fees.pdf" in page(reverse("answer-why", args=[cited.pk]))


def test_a_passage_is_laid_out_as_its_document_is(
    page: Callable[..., str], cited: Answer, handbook: Workspace
) -> None:
    text = (
        "# Fees\n\n- the **first** is free\n- the second is not\n\n| When | Fee |\n|---|---|\n| late | 12 |\n"
    )
    document = factories.document(handbook, title="Fees.md", media_type="text/markdown")
    factories.section(document, text, title_path=["Fees"])
    cited.passages.update(
        document=document, section=0, start=0, end=len(text), text=text, title_path=["Fees"]
    )
    shown = page(_passage(cited), x_requested_with="fetch")
    document.delete()
    for html, mark in ((shown, "<mark>"), (page(_passage(cited), x_requested_with="fetch"), "")):
        flat = re.sub(r"</?mark>", "", html)
        assert "the <strong>first</strong> is free" in flat
        assert re.search(r'<td dir="auto">12\s*</td>', flat)
        assert "# Fees" not in flat
        assert "**" not in flat
        assert mark in html


# --- lanes, versions, ratings --------------------------------------------------------------------


@pytest.fixture
def versions(ada: User) -> tuple[Answer, Answer]:
    """Return an answer and a newer version of it."""
    first = factories.answer(factories.session(ada), text="Old words", endpoint_name="Alpha")
    return first, factories.version(first, text="New words", endpoint_name="Beta")


def _front(page: str) -> list[str]:
    """Return the models whose answers are in front, one for each lane."""
    sections = re.findall(r"<section[^>]*>", page)
    shown = [each for each in sections if 'class="answer"' in each and " hidden" not in each]
    return [name[1] for each in shown if (name := re.search(r'data-model-name="([^"]+)"', each))]


def test_the_newest_version_is_in_front_and_the_older_is_kept(
    page: Callable[..., str], versions: tuple[Answer, Answer]
) -> None:
    html = page(_address(versions[0].turn.session))
    assert _front(html) == ["Beta"]
    assert "2 / 2" in html
    assert "Old words" in html


def test_the_version_that_was_chosen_is_in_front(
    client: Client, page: Callable[..., str], versions: tuple[Answer, Answer]
) -> None:
    assert client.post(reverse("answer-continue", args=[versions[0].pk])).status_code == 204
    html = page(_address(versions[0].turn.session))
    assert _front(html) == ["Alpha"]
    assert "1 / 2" in html
    assert html.count("data-goes-on") == 1


def test_an_answer_that_has_no_words_is_not_chosen(client: Client, ada: User) -> None:
    client.force_login(ada)
    failed = factories.answer(factories.session(ada), status="failed")
    response = client.post(reverse("answer-continue", args=[failed.pk]))
    assert (response.status_code, b"has text" in response.content) == (400, True)


def test_models_side_by_side_have_a_lane_each(page: Callable[..., str], ada: User) -> None:
    alpha, beta = (factories.chat_endpoint(name=name) for name in ("Alpha", "Beta"))
    first = factories.answer(factories.session(ada), text="a", endpoint=alpha, endpoint_name="Alpha")
    second = factories.answer_beside(first, lane=1, text="b", endpoint=beta, endpoint_name="Beta")
    factories.version(second, text="c", endpoint_name="Gamma")
    html = page(_address(first.turn.session))
    assert _front(html) == ["Alpha", "Gamma"]
    assert 'data-lanes="2"' in html
    chosen = re.findall(r'<input type="checkbox"\s+name="model"[^>]*data-label="(\w+)" checked', html)
    assert chosen == ["Alpha", "Beta"]


def test_a_thumb_is_kept_with_its_reason_and_withdrawn(client: Client, ada: User) -> None:
    client.force_login(ada)
    answer = factories.answer(factories.session(ada), text="words")
    address = reverse("answer-rating", args=[answer.pk])
    part = client.post(address, {"thumb": "down"}).content.decode()
    assert "What was wrong or missing?" in part
    assert " open>" in part
    client.post(address, {"thumb": "down", "comment": "<b>Wrong</b> page"})
    html = client.get(reverse("answer", args=[answer.pk])).content.decode()
    assert "&lt;b&gt;Wrong&lt;/b&gt; page" in html
    client.post(address, {"thumb": ""})
    assert not answer.ratings.exists()
    assert client.post(address, {"thumb": "up", "comment": "x" * 2001}).status_code == 400


def test_who_did_not_ask_sees_no_rating_of_it(page: Callable[..., str], ada: User) -> None:
    answer = factories.answer(factories.session(ada), text="words")
    answer.ratings.create(user=factories.user(), is_good=False, comment="Theirs")
    assert "Theirs" not in page(_address(answer.turn.session))


# --- the list of sessions ------------------------------------------------------------------------


def _list(page: str) -> list[str]:
    """Return the headings and titles of the list."""
    listed = page[page.index('id="session-list"') :] if 'id="session-list"' in page else page
    listed = listed.split("</nav>")[0]
    return [
        words.strip()
        for words in re.findall(r"<h2>([^<]+)|<a href=[^>]*>([^<]+)</a>", listed)
        for words in words
        if words
    ]


def _aged(session: Session, days: int) -> Session:
    Session.objects.filter(pk=session.pk).update(updated_at=timezone.now() - timedelta(days=days))
    return session


def test_sessions_are_listed_by_age_and_pinned_ones_first(page: Callable[..., str], ada: User) -> None:
    for title, days in (("old", 30), ("last days", 3), ("new", 0)):
        _aged(factories.session(ada, title=title), days)
    _aged(factories.session(ada, title="kept", is_pinned=True), 99)
    factories.session(factories.user(), title="theirs")
    assert _list(page(reverse("chat"))) == [
        "Pinned", "kept", "Today", "new", "This week", "last days", "Older", "old"
    ]  # fmt: skip


def test_sessions_are_found_by_title_and_by_what_was_asked(page: Callable[..., str], ada: User) -> None:
    factories.session(ada, title="Fees")
    asked = factories.session(ada, title="Something else")
    factories.answer(asked, "What about the fees?")
    factories.answer(asked, "And which fees again?")
    factories.session(ada, title="Unrelated")
    found = re.sub("</?mark>", "", page(f"{reverse('sessions')}?q=FEES"))
    assert re.findall(r"data-title>\s*([^<]*)<", found) == ["Fees", "Something else"]
    assert "No session contains “nowhere”" in page(f"{reverse('sessions')}?q=nowhere")


def test_a_hit_in_another_branch_opens_that_branch(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada, title="Birds")
    left = factories.answer(session, "My code is PELIKAN.").turn
    factories.answer(session, "Repeat it.")
    factories.turn(session, "My code is STORCH.", parent=None)
    assert "PELIKAN" not in page(_address(session))
    [link] = re.findall(r'<a href="([^"#]+\?turn=[^"#]+)#([^"]+)"', page(f"{reverse('sessions')}?q=pelikan"))
    assert link == (f"{_address(session)}?turn={left.pk}&amp;words=pelikan", f"turn-{left.pk}")
    shown = page(unescape(link[0]))
    assert 'data-found-words="[&quot;PELIKAN&quot;]"' in shown
    assert "PELIKAN" in shown
    assert "Repeat it." in shown
    assert "STORCH" not in shown


def test_an_edit_leaves_out_what_the_user_cannot_ask_with_any_more(
    page: Callable[..., str], ada: User
) -> None:
    kept = factories.workspace(name='Docks "<b>East</b>"')
    kept.memberships.create(user=ada)
    models = [factories.chat_endpoint(name=name) for name in ("Alpha", "Beta")]
    session = factories.session(ada)
    filters = {"lang": ['"><b>']}
    asked = [
        factories.turn(session, workspace=each, filters=filters)
        for each in (kept, factories.workspace(name="Not a member"))
    ]
    for turn in asked:
        for lane, model in enumerate(models):
            turn.answers.create(lane=lane, endpoint=model, endpoint_name=model.name, status="finished")
    models[1].is_enabled = False
    models[1].save()
    expected = [
        (str(kept.pk), kept.name, filters, [str(models[0].pk)], ["Alpha"]),
        ("", "", {}, [str(models[0].pk)], ["Alpha"]),
    ]
    assert _sent_by_edits(page(_address(session))) == expected
    assert [_sent_by_edits(page(reverse("turn-tools", args=[each.pk])))[0] for each in asked] == expected


def _sent_by_edits(page: str) -> list[tuple[Any, ...]]:
    """Return what each edited question would be sent with."""
    found = []
    for tag in re.findall(r"<div[^>]*data-question-tools\s[^>]*>", page):
        data = {name: unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', tag)}
        read = (json.loads(data[name]) for name in ("filters", "models", "model-names"))
        found.append((data["workspace"], data["workspace-name"], *read))
    return found


def test_a_session_is_found_by_its_title_as_people_type_it(page: Callable[..., str], ada: User) -> None:
    factories.session(ada, title="Das Résumé der Straße")
    assert "Das Résumé der Straße" in page(f"{reverse('sessions')}?q=RESUME der strasse")


def test_the_list_goes_on_where_it_ended(page: Callable[..., str], ada: User) -> None:
    for number in range(61):
        _aged(factories.session(ada, title=f"number {number}"), number)
    html = page(reverse("sessions"))
    assert html.count("data-session-item") == 60
    assert "from=60" in html
    rest = page(f"{reverse('sessions')}?from=60")
    assert "number 60" in rest
    assert "from=" not in rest


@pytest.mark.parametrize("query", ["from=" + "9" * 20, "from=" + "9" * 5000, "from=-1", "q=%00a"])
def test_the_list_takes_any_address(page, query):
    assert "<" in page(f"{reverse('sessions')}?{query}")


def test_the_session_on_the_page_is_marked_in_the_list(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada, title="Here")
    factories.session(ada, title="There")
    assert page(_address(session)).count('aria-current="page"') == 1
    part = page(
        reverse("sessions"), hx_request="true", hx_current_url=f"http://testserver{_address(session)}"
    )
    assert part.count('aria-current="page"') == 1


def _do(client: Client, name: str, session: Session, on: str = "/", **data: str) -> Any:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{on}"}
    return client.post(reverse(name, args=[session.pk]), data, headers=headers)


def test_a_session_is_renamed(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = _aged(factories.session(ada, title="Before"), 20)
    assert _list(_do(client, "session-rename", session, title="  After \n all ").content.decode()) == [
        "Older",
        "After all",
    ]
    _do(client, "session-rename", session, title="  ")
    session.refresh_from_db()
    assert session.title == "After all"
    refusal = _do(client, "session-rename", session, title="x" * 121)
    assert (refusal.status_code, refusal.content) == (
        400, b"The title has 121 characters; the limit is 120. Shorten it."
    )  # fmt: skip
    session.refresh_from_db()
    assert session.title == "After all"


def test_a_session_is_pinned_and_unpinned(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = _aged(factories.session(ada, title="It"), 20)
    assert _list(_do(client, "session-pin", session).content.decode()) == ["Pinned", "It"]
    assert _list(_do(client, "session-pin", session).content.decode()) == ["Older", "It"]


def test_a_session_is_deleted_with_all_that_is_in_it(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = factories.session(ada)
    factories.answer(session, passages=[{}])
    response = _do(client, "session-delete", session)
    assert "Your conversations will be listed here" in response.content.decode()
    assert not Answer.objects.exists()


def test_deleting_the_session_on_the_page_leads_to_a_new_chat(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = factories.session(ada)
    response = _do(client, "session-delete", session, on=_address(session))
    assert response.headers["HX-Redirect"] == reverse("chat")


def test_what_changes_something_is_no_link(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = factories.session(ada)
    for name in ("session-rename", "session-pin", "session-delete"):
        assert client.get(reverse(name, args=[session.pk])).status_code == 405


# --- the summary of earlier messages --------------------------------------------------------------


@pytest.fixture
def summarised(ada: User) -> Session:
    """Return a session of three turns. Its summary covers the first two."""
    session = factories.session(ada)
    for number in range(3):
        factories.answer(session, f"question {number}", text="An answer.")
    last = session.turns.get(text="question 1")
    Summary.objects.create(session=session, text="They chose <b>blue</b>.", last_turn=last)
    return session


def test_the_summary_stands_where_it_takes_over(page: Callable[..., str], summarised: Session) -> None:
    shown = page(_address(summarised))
    assert "They chose &lt;b&gt;blue&lt;/b&gt;." in shown
    assert (
        shown.index("question 1")
        < shown.index("Earlier messages were summarised")
        < shown.index("question 2")
    )


def test_a_session_without_a_summary_has_no_note(page: Callable[..., str], ada: User) -> None:
    assert "data-summary" not in page(_address(factories.session(ada)))


def test_a_summary_is_forgotten_and_begun_again(
    page: Callable[..., str], client: Client, summarised: Session
) -> None:
    page(_address(summarised))
    switch = reverse("session-summary", args=[summarised.pk])
    part = client.post(switch, {"keep": ""}, headers={"HX-Request": "true"}).content.decode()
    assert "Earlier messages are not summarised" in part
    shown = page(_address(summarised))
    assert "They chose" not in shown
    assert "Summarise again" in shown
    assert client.post(switch, {"keep": "yes"}).status_code == 302
    assert "data-summary" not in page(_address(summarised))
    assert not Summary.objects.get().is_off


def test_nobody_else_switches_it(client: Client, summarised: Session) -> None:
    client.force_login(factories.user())
    assert client.post(reverse("session-summary", args=[summarised.pk])).status_code == 404
    assert Summary.objects.get().text


def test_an_answer_that_took_two_attempts_says_so(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada)
    lost = {"fence": 1, "input_tokens": 9, "output_tokens": 2, "cost": "0", "is_estimate": True}
    factories.answer(session, text="An answer.", broken_off=[lost])
    assert ">2 attempts</span>" in page(_address(session))


# --- what a newcomer met -------------------------------------------------------------------------


def test_without_a_workspace_a_model_is_chosen_that_needs_no_documents(page: Callable[..., str]) -> None:
    factories.chat_endpoint(name="Quotes", rank=1)
    factories.chat_endpoint(name="Writer", rank=2, base_url="http://127.0.0.1:9/v1")
    html = page(reverse("chat"))
    assert _checked(html, "model") == "Writer"
    assert "No workspace is shared with you yet" in html


def test_with_a_workspace_the_first_model_is_chosen(page: Callable[..., str], handbook: Workspace) -> None:
    factories.chat_endpoint(name="Quotes", rank=1)
    factories.chat_endpoint(name="Writer", rank=2, base_url="http://127.0.0.1:9/v1")
    html = page(f"{reverse('chat')}?workspace={handbook.pk}")
    assert _checked(html, "model") == "Quotes"
    assert "No workspace is shared" not in html


def test_an_answer_that_cites_no_passage_says_so_and_offers_ways_on(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    session = factories.session(ada)
    found = Answer.Grounding.FOUND
    factories.answer(session, text="I do not know.", grounding=found, passages=[{}, {}], workspace=handbook)
    html = page(_address(session))
    assert "No passage is cited." in html
    assert "The model read 2 passages" in html
    for offer in ("Try another model", "Ask without the workspace", "Search Handbook"):
        assert offer in html


def test_an_answer_that_cites_a_passage_needs_no_ways_on(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    session = factories.session(ada)
    factories.answer(
        session, text="It is so [1].", grounding=Answer.Grounding.FOUND, passages=[{}], workspace=handbook
    )
    assert "No passage is cited." not in page(_address(session))


def test_the_reason_why_a_model_fails_is_told_to_operators_only(page: Callable[..., str], ada: User) -> None:
    factories.chat_endpoint(name="Gone", last_check_ok=False, last_error="The key sk-abc was refused.")
    assert "sk-abc" not in page(reverse("chat"))
    User.objects.update(is_superuser=True)
    assert "sk-abc" in page(reverse("chat"))


def test_sessions_are_found_by_the_words_of_their_answers(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada, title="Moons")
    factories.answer(session, text="The largest one is Luminarii.")
    assert "Moons" in page(f"{reverse('sessions')}?q=luminarii")
    assert "Moons" not in page(f"{reverse('sessions')}?q=titan")


def test_an_answer_that_quotes_a_document_above_ones_level_is_not_searched(
    page: Callable[..., str], ada: User, handbook: Workspace
) -> None:
    document = factories.document(handbook)
    session = factories.session(ada, title="Moons")
    factories.answer(
        session,
        text="Luminarii [1].",
        workspace=handbook,
        grounding="found",
        passages=[{"document": document}],
    )
    assert "Moons" in page(f"{reverse('sessions')}?q=luminarii")
    handbook.access_levels = ["Everybody", "Staff"]
    handbook.save()
    document.access_level = 1
    document.save()
    assert "Moons" not in page(f"{reverse('sessions')}?q=luminarii")


def test_the_card_of_a_passage_does_not_repeat_its_headings(page: Callable[..., str], ada: User) -> None:
    session = factories.session(ada)
    passage = {"text": "# Pumps\n\nThey need oil.", "title_path": ["Pumps"]}
    factories.answer(session, text="Oil [1].", grounding="found", passages=[passage])
    assert 'data-excerpt="They need oil."' in page(_address(session))


def test_pages_are_compressed_and_other_replies_are_not(client: Client, ada: User) -> None:
    client.force_login(ada)
    gzip = {"accept-encoding": "gzip"}
    assert client.get(reverse("chat"), headers=gzip).headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in client.get(reverse("api-schema"), headers=gzip).headers


# --- the last turns of a long conversation ---------------------------------------------------------


def _long_session(ada: User, turns: int) -> Session:
    session = factories.session(ada)
    for number in range(1, turns + 1):
        factories.answer(session, f"Question {number}?", text=f"Answer {number}.")
    return session


def _questions(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"data-question dir=\"auto\">Question (\d+)\?", page)]


def _earlier_address(page: str) -> str:
    found = re.search(r'data-show-earlier="([^"]+)"', page)
    return unescape(found[1]) if found else ""


def test_a_long_conversation_shows_its_last_turns_and_says_how_many_come_before(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    page = client.get(reverse("session", args=[_long_session(ada, 65).pk])).content.decode()
    assert _questions(page) == list(range(54, 66))
    assert "53 earlier questions: not on this page yet" in page
    part = client.get(_earlier_address(page)).content.decode()
    assert _questions(part) == list(range(24, 54))
    assert "<html" not in part
    rest = client.get(_earlier_address(part)).content.decode()
    assert _questions(rest) == list(range(1, 24))
    assert not _earlier_address(rest)


def test_all_turns_can_be_shown_without_a_script(client: Client, ada: User) -> None:
    client.force_login(ada)
    address = reverse("session", args=[_long_session(ada, 32).pk])
    assert f'href="{address}?turns=all"' in client.get(address).content.decode()
    page = client.get(f"{address}?turns=all").content.decode()
    assert _questions(page) == list(range(1, 33))
    assert not _earlier_address(page)


def test_a_conversation_of_exactly_one_page_has_nothing_earlier(client: Client, ada: User) -> None:
    client.force_login(ada)
    page = client.get(reverse("session", args=[_long_session(ada, 12).pk])).content.decode()
    assert len(_questions(page)) == 12
    assert "data-earlier" not in page


def test_turns_of_one_moment_are_each_shown_once(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = _long_session(ada, 35)
    Turn.objects.update(created_at=timezone.now())
    page = client.get(reverse("session", args=[session.pk])).content.decode()
    part = client.get(_earlier_address(page)).content.decode()
    assert sorted(_questions(page) + _questions(part)) == list(range(1, 36))


@pytest.mark.parametrize("before", ["", "x", "00000000-0000-0000-0000-000000000000", "a turn of another"])
def test_the_turns_before_an_unknown_turn_are_not_found(client: Client, ada: User, before: str) -> None:
    client.force_login(ada)
    other = factories.answer(factories.session(factories.user()))
    known = str(other.turn_id) if before == "a turn of another" else before
    address = reverse("session", args=[_long_session(ada, 1).pk])
    assert client.get(address, {"before": known}).status_code == 404


def test_the_summary_comes_with_the_turns_that_it_ends(client: Client, ada: User) -> None:
    client.force_login(ada)
    session = _long_session(ada, 35)
    Summary.objects.create(session=session, text="So far: pumps.", last_turn=session.turns.first())
    page = client.get(reverse("session", args=[session.pk])).content.decode()
    assert "So far: pumps." not in page
    assert "So far: pumps." in client.get(_earlier_address(page)).content.decode()
