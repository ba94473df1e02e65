"""Browser tests of the chat page: models side by side, versions, and what survives when things go wrong."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from accounts.models import User
from chat.asking.saved_prompts import save_prompt
from chat.asking.sessions import delete_session
from chat.models import Answer, AnswerRating, Turn
from tests import factories
from tests.chat.serving import served_in_thread
from tests.fakes.openai_server import Behaviour, OpenAIServer
from workspaces.models import Role

from .conftest import log_in, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


@pytest.fixture
def models(transactional_db: None, server: OpenAIServer) -> OpenAIServer:
    """Create two models, Alpha (the default) and Beta. The server's `models` sets their behaviour."""
    for rank, name in enumerate(("Alpha", "Beta"), 1):
        factories.chat_endpoint(name=name, rank=rank, base_url=server.base_url, model=name.lower())
        server.models[name.lower()] = Behaviour(text=f"{name} says this.")
    return server


@pytest.fixture
def ada(models: OpenAIServer, page: Page) -> User:
    """Return a user who is logged in and has opened a new chat."""
    ada = factories.user(username="ada")
    log_in(page, ada)
    page.goto("/")
    return ada


def ask(page: Page, question: str = "What is a pump?") -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def choose_both(page: Page) -> None:
    picker = page.locator("[data-picker='model']")
    picker.locator("summary").click()
    picker.get_by_label("Compare side by side").check()
    picker.get_by_label("Beta").check()
    page.keyboard.press("Escape")


def lane(page: Page, name: str) -> Locator:
    return page.locator("[data-turns] [data-lane]", has=page.locator(".lane-name", has_text=name))


def ended(place: Page | Locator) -> Locator:
    return place.locator("[data-answer][data-ended]:visible")


# --- side by side --------------------------------------------------------------------------------


def test_two_models_answer_side_by_side_and_are_remembered_in_the_session(page: Page, ada: User) -> None:
    choose_both(page)
    expect(page.locator("[data-picker='model'] summary")).to_have_text(re.compile(r"Alpha\s*\+ 1"))
    ask(page)
    expect(ended(lane(page, "Alpha"))).to_contain_text("Alpha says this.")
    expect(ended(lane(page, "Beta"))).to_contain_text("Beta says this.")
    left, right = (lane(page, name).bounding_box() for name in ("Alpha", "Beta"))
    assert left
    assert right
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    page.wait_for_url("**/chat/*/")
    page.reload()
    expect(ended(page)).to_have_count(2)
    expect(page.locator("[name='model']:checked")).to_have_count(2)
    page.goto("/")
    expect(page.locator("[name='model']:checked")).to_have_count(1)


def test_on_a_phone_one_answer_is_shown_at_a_time(page: Page, ada: User) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    choose_both(page)
    ask(page)
    expect(ended(page)).to_have_count(1)
    expect(ended(page)).to_contain_text("Alpha says this.")
    page.get_by_role("group", name="Choose the answer to show").get_by_role("button", name="Beta").click()
    expect(ended(page)).to_have_count(1)
    expect(ended(page)).to_contain_text("Beta says this.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_is_stopped_or_fails_without_the_other(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(tokens=500, between_tokens_s=0.05)
    models.models["beta"] = Behaviour(status=400)
    choose_both(page)
    ask(page)
    expect(ended(lane(page, "Beta"))).to_contain_text("The answer failed.")
    expect(lane(page, "Alpha").locator("[data-live] [data-text]")).not_to_be_empty()
    lane(page, "Alpha").get_by_role("button", name="Stop").click()
    expect(ended(lane(page, "Alpha"))).to_contain_text("Stopped by you.")
    assert {each.status for each in Answer.objects.all()} == {"failed", "stopped"}


def test_at_most_four_are_compared_and_at_least_one_answers(page: Page, ada: User) -> None:
    for number in range(3):
        factories.chat_endpoint(name=f"Gamma {number}", rank=9)
    page.reload()
    picker = page.locator("[data-picker='model']")
    picker.locator("summary").click()
    picker.get_by_label("Compare side by side").check()
    for name in ("Beta", "Gamma 0", "Gamma 1"):
        picker.get_by_label(name).check()
    expect(picker.get_by_label("Gamma 2")).to_be_disabled()
    picker.get_by_label("Compare side by side").uncheck()
    expect(page.locator("[name='model']:checked")).to_have_count(1)
    picker.get_by_label("Compare side by side").check()
    picker.get_by_label("Alpha").click()
    expect(picker.get_by_label("Alpha")).to_be_checked()


def test_the_conversation_goes_on_with_the_answer_that_was_chosen(
    page: Page, ada: User, models: OpenAIServer
) -> None:
    choose_both(page)
    ask(page)
    expect(lane(page, "Alpha").get_by_text("Continues from this one")).to_be_visible()
    lane(page, "Beta").get_by_role("button", name="Continue with this one").click()
    expect(lane(page, "Beta").get_by_text("Continues from this one")).to_be_visible()
    expect(lane(page, "Alpha").get_by_text("Continues from this one")).to_be_hidden()
    page.reload()
    expect(lane(page, "Beta").get_by_text("Continues from this one")).to_be_visible()
    ask(page, "And a valve?")
    expect(ended(page)).to_have_count(4)
    for chat in models.chats[2:]:
        assert "Beta says this." in str(chat.body["messages"])
        assert "Alpha says this." not in str(chat.body["messages"])


def test_a_picker_opens_at_what_is_chosen(page: Page, ada: User) -> None:
    picker = page.locator("[data-picker='model']")
    picker.locator("summary").click()
    picker.get_by_label("Beta").check()
    picker.locator("summary").click()
    expect(picker.get_by_label("Beta")).to_be_focused()


# --- versions ------------------------------------------------------------------------------------


def test_an_answer_is_regenerated_with_another_model_and_the_old_one_kept(page: Page, ada: User) -> None:
    ask(page)
    expect(ended(page)).to_contain_text("Alpha says this.")
    page.get_by_role("button", name="Regenerate with another model").click()
    page.get_by_role("menuitem", name="Beta").click()
    expect(ended(page)).to_contain_text("Beta says this.")
    expect(page.locator("[data-version-number]:visible")).to_have_text("2 / 2")
    page.get_by_role("button", name="Earlier version").click()
    expect(ended(page)).to_contain_text("Alpha says this.")
    expect(page.locator("[data-version-number]:visible")).to_have_text("1 / 2")
    page.get_by_role("button", name="Continue with this one").click()
    expect(page.get_by_text("The conversation continues from this answer.")).to_be_visible()
    page.reload()
    expect(ended(page)).to_contain_text("Alpha says this.")
    assert Turn.objects.get().goes_on_with() == Answer.objects.get(message_id=None)


def test_a_double_click_makes_one_version(page: Page, ada: User, models: OpenAIServer) -> None:
    ask(page)
    expect(ended(page)).to_have_count(1)
    page.get_by_role("button", name="Regenerate", exact=True).evaluate("it => { it.click(); it.click(); }")
    expect(page.locator("[data-version-number]:visible")).to_have_text("2 / 2")
    expect(ended(page)).to_have_count(1)
    assert (Answer.objects.count(), len(models.chats)) == (2, 2)


def test_tabs_show_the_same_version_and_make_it_once(page: Page, ada: User, models: OpenAIServer) -> None:
    ask(page)
    expect(ended(page)).to_have_count(1)
    page.wait_for_url("**/chat/*/")
    other, third = page.context.new_page(), page.context.new_page()
    # Simulate another browser: this tab gets no messages from the other tabs.
    other.add_init_script("window.BroadcastChannel = class { postMessage() {} }")
    for tab in (other, third):
        tab.goto(page.url)
    models.models["alpha"] = Behaviour(text="New words.", tokens=60, between_tokens_s=0.03)
    for tab in (page, other):
        tab.get_by_role("button", name="Regenerate", exact=True).click()
    for tab in (page, other, third):
        expect(tab.locator("[data-version-number]:visible")).to_have_text("2 / 2")
        expect(tab.locator("[data-live]:visible")).to_contain_text("New words.")
    for tab in (page, other, third):
        expect(ended(tab)).to_contain_text("New words.")
    assert Answer.objects.count() == 2


def test_a_failed_answer_is_tried_again_in_its_place(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(status=400)
    ask(page)
    expect(ended(page)).to_contain_text("The answer failed.")
    models.models["alpha"] = Behaviour(text="Now it works.")
    page.get_by_role("button", name="Try again").click()
    expect(ended(page)).to_contain_text("Now it works.")
    expect(page.get_by_text("The answer failed.")).to_be_hidden()


def test_a_reload_in_the_middle_shows_both_answers_to_their_end(
    page: Page, ada: User, models: OpenAIServer
) -> None:
    for name in ("alpha", "beta"):
        models.models[name] = Behaviour(text=f"{name} words", tokens=80, between_tokens_s=0.03)
    choose_both(page)
    ask(page)
    expect(lane(page, "Beta").locator("[data-live] [data-text]")).not_to_be_empty()
    page.wait_for_url("**/chat/*/")
    page.reload()
    expect(ended(page)).to_have_count(2)
    texts = page.locator("[data-answer-source]").evaluate_all("all => all.map((each) => each.value)")
    assert texts == [each.text for each in Answer.objects.all()]
    assert [len(text.split()) for text in texts] == [80, 80]


# --- offline, refusals, ratings ------------------------------------------------------------------


def test_questions_and_versions_asked_for_offline_go_out_once_when_the_connection_is_back(
    page: Page, ada: User
) -> None:
    choose_both(page)
    ask(page)
    expect(ended(page)).to_have_count(2)
    page.context.set_offline(True)
    expect(page.locator("[data-banner]")).to_be_visible()
    lane(page, "Beta").get_by_role("button", name="Regenerate", exact=True).click()
    expect(lane(page, "Beta").locator("[data-live]")).to_contain_text(
        "Saved here until the connection is back."
    )
    page.context.set_offline(False)
    expect(ended(lane(page, "Beta"))).to_contain_text("Beta says this.")
    expect(page.locator("[data-version-number]:visible")).to_have_text("2 / 2")
    page.context.set_offline(True)
    ask(page, "And a valve?")
    expect(page.locator("[data-turn-note]:visible")).to_have_text("Saved here until the connection is back.")
    page.context.set_offline(False)
    expect(ended(page)).to_have_count(4)
    assert (Turn.objects.count(), Answer.objects.count()) == (2, 5)


def test_a_question_that_was_refused_is_kept_and_tried_again(page: Page, ada: User, settings: Any) -> None:
    settings.QUESTION_MAX_CHARACTERS = 10
    ask(page, "What is a pump?")
    expect(page.locator("[data-turn-note]")).to_contain_text("Not sent: The question has 15 characters")
    page.reload()
    expect(page.locator("[data-turn-note]")).to_contain_text("Not sent: The question has 15 characters")
    settings.QUESTION_MAX_CHARACTERS = 100
    page.get_by_role("button", name="Try again").click()
    expect(ended(page)).to_contain_text("Alpha says this.")
    assert Turn.objects.get().text == "What is a pump?"


def test_a_question_of_a_closed_tab_that_is_refused_is_kept_too(page: Page, ada: User, settings: Any) -> None:
    settings.QUESTION_MAX_CHARACTERS = 10
    page.context.set_offline(True)
    ask(page, "What is a pump?")
    expect(page.locator("[data-turn-note]:visible")).to_be_visible()
    other = page.context.new_page()
    page.close()
    other.add_init_script("const now = Date.now; Date.now = () => now() + 31_000")  # half a minute later
    other.context.set_offline(False)
    other.goto("/")
    expect(other.get_by_text("The question has 15 characters")).to_be_visible()
    other.reload()
    expect(other.locator("[data-turn-note]")).to_contain_text("Not sent: The question has 15 characters")
    expect(other.locator("[data-question]")).to_have_text("What is a pump?")


def test_an_answer_that_ended_while_the_page_reconnects_is_shown_once(page: Page, ada: User) -> None:
    held: list[Route] = []
    page.route("**/answers/*/", lambda route: held.append(route))
    ask(page)
    wait_until(page, lambda: len(held) == 1)
    page.evaluate("for (const kind of ['offline', 'online']) window.dispatchEvent(new Event(kind))")
    wait_until(page, lambda: len(held) == 2)
    for route in held:
        with page.expect_request_finished(lambda each: "/answers/" in each.url):
            route.continue_()
    expect(ended(page)).to_contain_text("Alpha says this.")
    page.wait_for_timeout(300)  # for the error of the second one, if it makes one
    expect(ended(page)).to_have_count(1)


def test_the_passage_chosen_last_is_shown_whichever_comes_last(page: Page, ada: User) -> None:
    session = factories.session(ada)
    passages = [{"document_title": "First", "text": "One."}, {"document_title": "Second", "text": "Two."}]
    factories.answer(session, text="Said [1], and said [2].", passages=passages)
    held: list[Route] = []
    page.route("**/passages/1/", lambda route: held.append(route))
    page.goto(f"/chat/{session.pk}/")
    page.locator("a[data-citation='1']").click()
    wait_until(page, lambda: bool(held))
    page.locator("a[data-citation='2']").click()
    panel = page.locator("[data-sources-body]")
    expect(panel.get_by_role("heading")).to_have_text("Second")
    with page.expect_request_finished(lambda each: each.url.endswith("/passages/1/")):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(panel.get_by_role("heading")).to_have_text("Second")


def test_a_browser_that_keeps_nothing_can_be_asked_with(page: Page, ada: User) -> None:
    for name in ("localStorage", "sessionStorage"):
        forbidden = "{ get() { throw new DOMException('Forbidden', 'SecurityError'); } }"
        page.add_init_script(f"Object.defineProperty(window, '{name}', {forbidden});")
    page.reload()
    ask(page)
    expect(ended(page)).to_contain_text("Alpha says this.")


def test_a_thumb_down_asks_why_and_is_kept(page: Page, ada: User) -> None:
    ask(page)
    page.get_by_role("button", name="Bad answer").click()
    page.get_by_label("Why").fill("It says nothing.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your comment", exact=True)).to_be_visible()
    rating = AnswerRating.objects.get()
    assert (rating.user, rating.is_good, rating.comment) == (ada, False, "It says nothing.")
    page.get_by_role("button", name="Bad answer: withdraw").click()
    expect(page.get_by_role("button", name="Bad answer", exact=True)).to_be_visible()
    assert not AnswerRating.objects.exists()


# --- networks, and what cannot be sent -----------------------------------------------------------


def test_behind_a_proxy_that_closes_sockets_answers_arrive_over_http(page: Page, ada: User) -> None:
    page.route_web_socket("**/socket", lambda socket: socket.close(code=1011))
    page.goto("/")
    ask(page)
    expect(page.locator("[data-banner]")).to_contain_text("This network blocks WebSockets")
    expect(ended(page)).to_contain_text("Alpha says this.")
    ask(page, "And again?")
    expect(ended(page)).to_have_count(2)
    page.reload()
    expect(ended(page)).to_have_count(2)


def test_behind_such_a_proxy_an_answer_is_stopped_and_a_refusal_is_shown(
    page: Page, ada: User, models: OpenAIServer
) -> None:
    page.route_web_socket("**/socket", lambda socket: socket.close(code=1011))
    models.models["alpha"] = Behaviour(tokens=500, between_tokens_s=0.05)
    page.goto("/")
    ask(page)
    expect(page.locator("[data-live] [data-text]")).not_to_be_empty()
    page.locator("[data-stop]").click()
    expect(ended(page)).to_contain_text("Stopped by you.")
    put(page, BROKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".is-refused [data-turn-note]")).to_contain_text("half of a character")


BROKEN = "Why is \ud83d blue?"  # half of an emoji, as an editor may paste it


def put(page: Page, text: str) -> None:
    """Put a text into the question field, also one that Playwright cannot send."""
    codes = [ord(each) for each in text]
    page.evaluate(
        """(codes) => {
            const field = document.querySelector("[data-question-field]");
            field.value = codes.map((code) => String.fromCharCode(code)).join("");
            field.dispatchEvent(new Event("input"));
            field.focus();
        }""",
        codes,
    )


def test_a_question_with_half_a_character_is_refused_once_and_the_next_one_goes_on(
    page: Page, ada: User
) -> None:
    put(page, BROKEN)
    page.keyboard.press("Enter")
    ask(page, "And the next one?")
    expect(page.locator(".is-refused [data-turn-note]")).to_contain_text("half of a character")
    expect(ended(page)).to_contain_text("Alpha says this.")
    page.reload()
    expect(page.locator("[data-banner]")).to_be_hidden()
    assert [each.text for each in Turn.objects.all()] == ["And the next one?"]


def test_a_chat_that_is_deleted_meanwhile_is_left(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(tokens=500, between_tokens_s=0.05)
    ask(page)
    expect(page.locator("[data-live] [data-text]")).not_to_be_empty()
    delete_session(ada, Turn.objects.get().session_id)
    page.wait_for_url("**/?deleted")
    expect(page.locator(".notices")).to_contain_text("The chat was deleted")


def test_a_pasted_text_is_not_cut_and_becomes_a_document(page: Page, ada: User) -> None:
    workspace = factories.workspace(name="Handbook")
    workspace.memberships.create(user=ada, role=Role.EDITOR)
    page.goto(f"/?workspace={workspace.pk}")
    text = "All about pumps.\n" + "word " * 20_000
    page.get_by_label("Your question").fill(text)
    expect(page.locator("[data-too-long]")).to_contain_text("100,016 characters are too long")
    expect(page.locator("[data-send]")).to_be_disabled()
    page.keyboard.press("Enter")
    assert page.get_by_label("Your question").input_value() == text
    assert not Turn.objects.exists()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Add it to Handbook").click()
    expect(opened.value.locator(".notices")).to_contain_text("was added")
    assert workspace.documents.get().title.startswith("All about pumps.")
    page.get_by_label("Your question").fill("Short.")
    expect(page.locator("[data-too-long]")).to_be_hidden()


def test_thinking_is_folded_away(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(text="<think>Secretly blue.</think>\n\nA pump.")
    ask(page)
    expect(ended(page).locator("[data-text]")).to_have_text("A pump.")
    expect(page.get_by_text("Secretly blue.")).to_be_hidden()
    page.get_by_text("What the model thought").click()
    expect(page.get_by_text("Secretly blue.")).to_be_visible()


def test_a_cut_answer_is_continued_and_the_chat_forked_from_it(
    page: Page, ada: User, models: OpenAIServer
) -> None:
    models.models["alpha"] = Behaviour(text="A pump moves wat", finish_reason="length")
    ask(page)
    expect(ended(page)).to_have_count(1)
    models.models["alpha"] = Behaviour(text="water uphill.")
    page.get_by_role("button", name="Continue the answer").click()
    expect(ended(page).locator("[data-text]")).to_have_text("A pump moves water uphill.")
    expect(page.locator("[data-version-number]")).to_have_text("2 / 2")
    first = page.url
    page.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fork · What is a pump?")
    assert page.url != first
    ask(page, "And a valve?")
    expect(ended(page)).to_have_count(2)
    assert "A pump moves water uphill." in str(models.chats[-1].body["messages"])


def test_a_slow_model_says_so_and_another_one_is_asked(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(first_token_s=60)
    page.clock.install()
    page.goto("/")
    ask(page)
    expect(page.locator("[data-live] [data-status-text]").first).to_have_text("Thinking")
    page.clock.fast_forward(5_000)
    expect(page.locator("[data-live] [data-elapsed]").first).to_have_text(re.compile(r"\d s"))
    page.clock.fast_forward(15_000)
    expect(page.get_by_text("Alpha is slow here.")).to_be_visible()
    page.get_by_role("button", name="Ask another model").click()
    page.get_by_role("menuitem", name="Beta").click()
    expect(ended(page)).to_contain_text("Beta says this.")
    expect(page.locator("[data-version-number]")).to_have_text("2 / 2")


def test_a_question_to_begin_with_is_sent_by_a_click(page: Page, ada: User) -> None:
    workspace = factories.workspace(name="Harbour")
    workspace.memberships.create(user=ada)
    factories.document(workspace, title="When is the harbour open?", kind="qa")
    page.goto(f"/?workspace={workspace.pk}")
    page.get_by_label("Your question").fill("Not yet")
    page.get_by_role("button", name="When is the harbour open?").click()
    expect(page.locator("[data-turns] [data-question]")).to_have_text(["When is the harbour open?"])
    expect(page.get_by_label("Your question")).to_have_value("Not yet")


def test_prompts_and_documents_are_completed_as_one_types(page: Page, ada: User) -> None:
    workspace = factories.workspace(name="Harbour")
    workspace.memberships.create(user=ada)
    factories.document(workspace, title="Harbour rules.pdf", chunk_count=1)
    save_prompt(ada, "report", "Report on {{subject}} in {{city}}.")
    page.goto(f"/?workspace={workspace.pk}")
    field = page.get_by_label("Your question")
    options = page.get_by_role("option")
    field.press_sequentially("/re")
    expect(options).to_have_text(re.compile("/report"))
    field.press("Enter")
    expect(field).to_have_value("Report on {{subject}} in {{city}}.")
    field.press_sequentially("pumps")
    field.press("Tab")
    field.press_sequentially("Bremen")
    expect(field).to_have_value("Report on pumps in Bremen.")
    field.press("End")
    field.press_sequentially(" @rul")
    expect(options).to_have_text(re.compile("Harbour rules.pdf"))
    field.press("Escape")
    expect(options).to_have_count(0)
    field.press_sequentially("e")
    expect(options).to_have_count(1)
    field.press("Enter")
    expect(field).to_have_value("Report on pumps in Bremen. ")
    expect(page.locator("[data-documents]")).to_contain_text("Harbour rules.pdf")
    field.press_sequentially("and/or see /zzz")
    expect(options).to_have_count(0)
    field.press("Enter")
    expect(page.locator("[data-filter-words]").first).to_have_text(
        "Only documents with document Harbour rules.pdf"
    )
    assert Turn.objects.get().filters == {"document": ["Harbour rules.pdf"]}
    page.wait_for_url("**/chat/*/")
    page.reload()
    expect(page.locator("[data-documents]")).to_contain_text("Harbour rules.pdf")
    page.get_by_role("button", name="Search other documents too").click()
    expect(page.locator("[data-documents] li")).to_have_count(0)


# The browser of the tests has no voice and no microphone: its interfaces note what they are given.
_VOICE = """
    window.spoken = [];
    speechSynthesis.speak = (utterance) => window.spoken.push(utterance.text);
    speechSynthesis.cancel = () => window.spoken.push("(stop)");
    window.webkitSpeechRecognition = window.SpeechRecognition = class {
      start() { window.dictation = this; }
      stop() { this.onend(); }
      abort() { this.onend(); }
    };
"""


def test_an_answer_is_read_aloud_and_a_question_dictated(
    page: Page, ada: User, models: OpenAIServer, settings: Any
) -> None:
    page.add_init_script(_VOICE)
    models.models["alpha"] = Behaviour(
        text="Two steps:\n\n- Open it\n- Close it\n\n```sh\nrm -r /\n```\n\nDone."
    )
    page.goto("/")
    ask(page)
    expect(ended(page)).to_have_count(1)
    page.get_by_role("button", name="Read aloud").click()
    expect(page.get_by_role("button", name="Read aloud")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.spoken") == ["(stop)", "Two steps: Open it.", "Close it.", "Done."]
    page.get_by_role("button", name="Read aloud").click()
    assert page.evaluate("window.spoken").pop() == "(stop)"
    field = page.get_by_label("Your question")
    field.fill("Well,")
    page.get_by_role("button", name="Dictate").click()
    page.evaluate("window.dictation.onresult({ results: [[{ transcript: 'what is a pump' }]] })")
    expect(field).to_have_value("Well, what is a pump")
    field.press("Enter")
    expect(page.get_by_role("button", name="Dictate")).to_have_attribute("aria-pressed", "false")
    settings.SPEECH = False
    page.reload()
    expect(page.get_by_role("button", name="Read aloud")).to_have_count(0)
    expect(page.get_by_role("button", name="Dictate")).to_have_count(0)


def test_an_answer_that_ends_before_its_renderer_is_loaded_is_shown_once(page: Page, ada: User) -> None:
    held: list[Route] = []
    page.route("**/text/grammar*.js", lambda route: held.append(route))
    page.goto("/")
    ask(page)
    text = ended(page).locator("[data-text]")
    expect(text).to_have_text("Alpha says this.")
    assert held
    with page.expect_response("**/text/grammar*.js"):
        held.pop().continue_()
    page.wait_for_timeout(500)
    expect(text).to_have_text("Alpha says this.")


def test_a_waiting_question_can_be_sent_at_once(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(tokens=500, between_tokens_s=0.05)
    ask(page)
    expect(page.locator("[data-live] [data-text]").first).not_to_be_empty()
    models.models["alpha"] = Behaviour(text="A valve closes.")
    ask(page, "And a valve?")
    page.get_by_role("button", name="Send now").click()
    expect(ended(page)).to_contain_text("A valve closes.")
    expect(page.locator("[data-turns] [data-live]")).to_have_count(1)


def test_a_content_filter_is_told(page: Page, ada: User, models: OpenAIServer) -> None:
    models.models["alpha"] = Behaviour(text="Half.", finish_reason="content_filter")
    ask(page)
    expect(ended(page)).to_contain_text("content filter ended this answer")


# --- what a daily user met -----------------------------------------------------------------------


def test_what_was_typed_survives_a_reload_and_is_gone_once_sent(page: Page, ada: User) -> None:
    field = page.get_by_label("Your question")
    field.fill("What is a pu")
    page.reload()
    expect(field).to_have_value("What is a pu")
    ask(page)
    page.wait_for_url("**/chat/*/")
    expect(ended(page)).to_contain_text("Alpha says this.")
    field.fill("And of this session")
    page.goto("/")
    expect(field).to_have_value("")
    page.go_back()
    expect(field).to_have_value("And of this session")


def test_escape_in_a_menu_leaves_the_focus_on_its_button(page: Page, ada: User) -> None:
    summary = page.locator("[data-picker='model'] summary")
    summary.click()
    expect(page.locator("[data-picker='model'] input:focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(summary).to_be_focused()


def test_a_copied_answer_has_the_sources_that_its_numbers_refer_to(page: Page, models: OpenAIServer) -> None:
    grace = factories.user()
    session = factories.session(grace)
    passages = [{"document_title": "Fees", "page": 3}, {"document_title": "Not cited"}]
    factories.answer(session, text="It costs 48 euros [1].", grounding="found", passages=passages)
    log_in(page, grace)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/chat/{session.pk}/")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator(".toast")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "It costs 48 euros [1].\n\nSources:\n[1] Fees, page 3"


@pytest.mark.parametrize(("width", "height"), [(360, 640), (390, 600), (844, 390)])
def test_a_new_chat_on_a_low_screen_shows_its_bar_and_scrolls_to_everything(
    page: Page, ada: User, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/")
    top = page.locator(".topbar").bounding_box()
    bar = page.locator(".chat-bar").bounding_box()
    assert top
    assert bar
    assert bar["y"] == top["height"]
    page.locator("[data-suggestions]").scroll_into_view_if_needed()
    expect(page.locator("[data-suggestions] p")).to_be_in_viewport()


def test_earlier_turns_of_a_long_conversation_come_as_one_scrolls_where_the_reader_is(
    page: Page, ada: User
) -> None:
    session = factories.session(ada)
    for number in range(1, 44):
        factories.answer(session, f"Question {number}?", text=f"Answer {number}. " * 40)
    page.goto(f"/chat/{session.pk}/")
    expect(page.locator("[data-turns] [data-turn]")).to_have_count(12)
    expect(page.get_by_text("Question 43?")).to_be_in_viewport()
    page.get_by_label("Your question").focus()
    page.locator("[data-scroller]").evaluate("scroller => scroller.scrollTop = 300")
    seen = page.get_by_text("Question 32?", exact=True)
    before = seen.bounding_box()
    expect(page.locator("[data-turns] [data-turn]")).to_have_count(42)
    after = seen.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2, "what the reader sees does not move"
    expect(page.get_by_label("Your question")).to_be_focused()
    page.locator("[data-scroller]").evaluate("scroller => scroller.scrollTop = 0")
    expect(page.locator("[data-turns] [data-turn]")).to_have_count(43)
    expect(page.locator("[data-earlier]")).to_have_count(0)
    first = page.locator("[data-turns] [data-turn]").first
    expect(first).to_contain_text("Answer 1.")
    first.get_by_role("button", name="Good answer").click()
    expect(first.get_by_role("button", name="Good answer: withdraw")).to_be_visible()


def test_earlier_turns_that_cannot_be_fetched_can_be_asked_for_again(
    page: Page, ada: User, requests_fail: None
) -> None:
    session = factories.session(ada)
    for number in range(1, 32):
        factories.answer(session, f"Question {number}?", text=f"Answer {number}. " * 40)
    page.route("**/*before=*", lambda route: route.fulfill(status=503))
    page.goto(f"/chat/{session.pk}/")
    page.get_by_role("button", name="Show earlier questions").click()
    expect(page.get_by_text("could not be fetched")).to_be_visible()
    page.unroute("**/*before=*")
    page.get_by_role("button", name="Show earlier questions").press("Enter")
    expect(page.get_by_text("Question 1?", exact=True)).to_be_attached()
    expect(page.locator("[data-turn]:focus")).to_contain_text("Question 19?")
