"""Browser tests: a question is edited and sent again, and its versions can be shown."""

import re

import pytest
from playwright.sync_api import Page, expect

from chat.models import Answer, Summary, Turn
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer

from .conftest import log_in, wait_until
from .test_chat import ada, ask, models, site_url  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)


def ended(page: Page, count: int) -> None:
    expect(page.locator("[data-turns] [data-ended]:visible")).to_have_count(count)


def edit(page: Page, number: int, text: str) -> None:
    page.get_by_role("button", name="Edit the question").nth(number).click()
    field = page.get_by_label("Edit your question")
    field.fill(text)
    field.press("Enter")


def questions(page: Page) -> list[str]:
    return page.locator("[data-turns] [data-question]:visible").all_inner_texts()


@pytest.mark.usefixtures("ada")
def test_an_edited_question_replaces_what_followed_and_the_old_branch_comes_back(page: Page) -> None:
    ask(page, "My code is PELIKAN.")
    ended(page, 1)
    ask(page, "Repeat it.")
    ended(page, 2)
    edit(page, 0, "My code is STORCH.")
    ended(page, 1)
    assert questions(page) == ["My code is STORCH."]
    versions = page.get_by_role("group", name="Versions of this question")
    expect(versions).to_contain_text("2 / 2")
    page.get_by_role("button", name="Earlier version of the question").click()
    expect(versions).to_contain_text("1 / 2")
    assert questions(page) == ["My code is PELIKAN.", "Repeat it."]
    page.reload()
    assert questions(page) == ["My code is PELIKAN.", "Repeat it."]
    ask(page, "And again.")
    ended(page, 3)
    page.get_by_role("button", name="Later version of the question").click()
    expect(versions).to_contain_text("2 / 2")
    assert questions(page) == ["My code is STORCH."]


@pytest.mark.usefixtures("ada")
def test_a_model_reads_only_the_branch_on_the_screen(page: Page, models) -> None:  # noqa: F811
    ask(page, "My code is PELIKAN.")
    ended(page, 1)
    edit(page, 0, "My code is STORCH.")
    ended(page, 1)
    ask(page, "What is my code?")
    ended(page, 2)
    sent = str(models.chats[-1].body["messages"])
    assert "STORCH" in sent
    assert "PELIKAN" not in sent


def test_what_went_along_is_shown_and_sent_again(page: Page, ada) -> None:  # noqa: F811
    workspace = factories.workspace(name="Harbour")
    workspace.memberships.create(user=ada)
    page.goto("/")
    page.locator("[data-picker='workspace'] summary").click()
    page.get_by_label("Harbour").check()
    picker = page.locator("[data-picker='model']")
    picker.locator("summary").click()
    picker.get_by_label("Beta").check()
    page.keyboard.press("Escape")
    ask(page, "What is a pump?")
    ended(page, 1)
    page.reload()
    page.get_by_role("button", name="Edit the question").click()
    expect(page.get_by_role("list", name="Asked with").get_by_role("listitem")).to_contain_text(
        ["Harbour", "Beta"]
    )
    page.get_by_label("Edit your question").fill("What is a valve?")
    page.get_by_role("button", name="Send again").click()
    wait_until(page, lambda: Turn.objects.count() == 2)
    edited = Turn.objects.latest("created_at")
    assert (edited.text, edited.workspace, edited.answers.get().endpoint_name) == (
        "What is a valve?",
        workspace,
        "Beta",
    )
    ended(page, 1)
    page.get_by_role("button", name="Edit the question").click()
    page.get_by_role("button", name="Ask without Harbour").click()
    page.get_by_role("button", name="Send again").click()
    wait_until(page, lambda: Turn.objects.count() == 3)
    assert Turn.objects.latest("created_at").workspace is None


@pytest.mark.usefixtures("ada")
def test_escape_changes_nothing_and_arrow_up_edits_the_last_question(page: Page) -> None:
    ask(page, "What is a pump?")
    ended(page, 1)
    page.get_by_label("Your question").press("ArrowUp")
    field = page.get_by_label("Edit your question")
    expect(field).to_be_focused()
    field.fill("Something else")
    field.press("Escape")
    expect(field).to_have_count(0)
    assert questions(page) == ["What is a pump?"]
    assert Turn.objects.count() == 1


def check_edit_while_an_answer_is_written(page: Page, models: OpenAIServer) -> None:  # noqa: F811
    models.models["alpha"] = Behaviour(tokens=400, between_tokens_s=0.05)
    ask(page, "What is a pump?")
    expect(page.locator("[data-live] [data-text]")).not_to_be_empty(timeout=20_000)
    models.models["alpha"] = Behaviour(text="A valve.")
    edit(page, 0, "What is a valve?")
    expect(page.locator("[data-turns] [data-ended=finished]:visible")).to_contain_text("A valve.")
    assert questions(page) == ["What is a valve?"]
    wait_until(page, lambda: Answer.objects.filter(status="stopped").count() == 1)


@pytest.mark.usefixtures("ada")
def test_an_edit_stops_what_is_being_written_and_is_sent_at_once(page: Page, models) -> None:  # noqa: F811
    check_edit_while_an_answer_is_written(page, models)


@pytest.mark.usefixtures("ada")
def test_a_refused_edit_brings_back_what_it_replaced(page: Page) -> None:
    ask(page, "What is a pump?")
    ended(page, 1)
    Turn.objects.update(message_id="x")
    page.evaluate(
        "document.querySelector('[data-turn]:not([data-turn=\"\"])').dataset.turn = crypto.randomUUID()"
    )
    edit(page, 0, "What is a valve?")
    expect(page.get_by_text(re.compile("Not sent: The question that you edited is not in"))).to_be_visible()
    assert questions(page) == ["What is a pump?", "What is a valve?"]


@pytest.mark.usefixtures("ada")
def test_the_other_tab_shows_the_new_branch_too(page: Page) -> None:
    ask(page, "What is a pump?")
    ended(page, 1)
    other = page.context.new_page()
    other.goto(page.url)
    ended(other, 1)
    edit(page, 0, "What is a valve?")
    ended(page, 1)
    expect(other.locator("[data-turns] [data-question]")).to_have_text(["What is a valve?"])


@pytest.mark.usefixtures("ada")
def test_a_refused_edit_stops_nothing_and_can_be_changed_in_its_place(page: Page, models, settings) -> None:  # noqa: F811
    models.models["alpha"] = Behaviour(tokens=60, between_tokens_s=0.05)
    ask(page, "What is a pump?")
    expect(page.locator("[data-live] [data-text]")).not_to_be_empty()
    settings.QUESTION_MAX_CHARACTERS = 20
    edit(page, 0, "What is a valve for, and why?")
    expect(page.get_by_text(re.compile("Not sent: The question has 29 characters"))).to_be_visible()
    expect(page.locator("[data-turns] [data-ended=finished]:visible")).to_have_count(1)
    page.get_by_role("button", name="Edit question").click()
    field = page.get_by_label("Edit your question")
    expect(field).to_have_value("What is a valve for, and why?")
    models.models["alpha"] = Behaviour(text="A valve.")
    field.fill("What is a valve?")
    field.press("Enter")
    expect(page.locator("[data-turns] [data-ended]:visible")).to_contain_text("A valve.")
    assert questions(page) == ["What is a valve?"]
    assert not Answer.objects.filter(status="stopped").exists()
    assert set(Turn.objects.values_list("text", "parent")) == {
        ("What is a pump?", None),
        ("What is a valve?", None),
    }


@pytest.mark.usefixtures("ada")
def test_a_refused_question_that_is_tried_again_follows_the_last_one(page: Page, settings) -> None:
    ask(page, "One?")
    ended(page, 1)
    settings.QUESTION_MAX_CHARACTERS = 10
    ask(page, "And number two?")
    expect(page.get_by_text(re.compile("Not sent"))).to_be_visible()
    ask(page, "Three?")
    ended(page, 2)
    settings.QUESTION_MAX_CHARACTERS = 100
    page.get_by_role("button", name="Try again").click()
    ended(page, 3)
    assert questions(page) == ["One?", "Three?", "And number two?"]
    page.reload()
    assert questions(page) == ["One?", "Three?", "And number two?"]


@pytest.mark.usefixtures("ada")
def test_an_edit_without_a_connection_is_sent_later_and_then_stops_the_old_answer(
    page: Page,
    models,  # noqa: F811
) -> None:
    models.models["alpha"] = Behaviour(tokens=400, between_tokens_s=0.1)
    ask(page, "What is a pump?")
    expect(page.locator("[data-live] [data-text]")).not_to_be_empty()
    models.models["alpha"] = Behaviour(text="A valve.")
    page.context.set_offline(True)
    expect(page.locator("[data-banner]")).to_be_visible()
    edit(page, 0, "What is a valve?")
    expect(page.locator("[data-turn-note]:visible")).to_have_text("Saved here until the connection is back.")
    page.context.set_offline(False)
    expect(page.locator("[data-turns] [data-ended=finished]:visible")).to_contain_text("A valve.")
    wait_until(page, lambda: Answer.objects.filter(status="stopped").count() == 1)
    assert Turn.objects.count() == 2


@pytest.mark.usefixtures("ada")
def test_an_edit_on_a_page_that_a_link_has_opened_is_there_after_a_reload(page: Page) -> None:
    ask(page, "My code is PELIKAN.")
    ended(page, 1)
    ask(page, "Repeat it.")
    ended(page, 2)
    turn = Turn.objects.get(text="Repeat it.").pk
    page.goto(f"{page.url}?turns=all&turn={turn}#turn-{turn}")
    edit(page, 0, "My code is STORCH.")
    ended(page, 1)
    page.reload()
    assert questions(page) == ["My code is STORCH."]
    assert page.url.endswith("?turns=all")


def test_the_note_of_a_summary_goes_with_the_turns_that_it_covers(page: Page, ada) -> None:  # noqa: F811
    session = factories.session(ada)
    first, second = (factories.answer(session, text).turn for text in ("One?", "Two?"))
    Summary.objects.create(session=session, text="Of two.", last_turn=second)
    page.goto(f"/chat/{session.pk}/")
    note = page.get_by_text("Earlier messages were summarised")
    expect(note).to_be_visible()
    edit(page, 1, "Two, again?")
    expect(page.locator("[data-ended=finished]:visible")).to_have_count(2)
    expect(note).to_have_count(0)
    Summary.objects.update(last_turn=first)
    page.reload()
    expect(note).to_be_visible()
    edit(page, 1, "Two, a third time?")
    expect(page.get_by_text("3 / 3")).to_be_visible()
    expect(note).to_be_visible()


@pytest.mark.usefixtures("ada")
def test_a_question_that_was_stored_in_another_branch_brings_its_branch(page: Page) -> None:
    """Its page has lost the turn before it, for instance by a click on another version while it was being sent."""
    ask(page, "One?")
    ended(page, 1)
    page.evaluate("document.querySelector('[data-turn]').dataset.turn = crypto.randomUUID()")
    page.evaluate("document.querySelector('[data-question]').textContent = 'Of another branch'")
    ask(page, "Two?")
    ended(page, 2)
    expect(page.locator("[data-turns] [data-question]")).to_have_text(["One?", "Two?"])


@pytest.mark.usefixtures("ada")
def test_the_keys_of_the_form(page: Page) -> None:
    ask(page, "What is a pump?")
    ended(page, 1)
    composer = page.get_by_label("Your question")
    composer.press("ArrowUp")
    field = page.get_by_label("Edit your question")
    field.fill("ポンプ")
    field.dispatch_event("keydown", {"key": "Escape", "isComposing": True, "bubbles": True})
    field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True})  # Safari
    expect(field).to_have_value("ポンプ")
    field.fill(" ")
    expect(page.get_by_role("button", name="Send again")).to_be_disabled()
    field.press("Enter")
    field.press("Escape")
    expect(composer).to_be_focused()
    page.get_by_role("button", name="Edit the question").click()
    field.press("Escape")
    expect(page.get_by_role("button", name="Edit the question")).to_be_focused()
    edit(page, 0, "What is a valve?")
    expect(composer).to_be_focused()
    ended(page, 1)
    assert Turn.objects.count() == 2


@pytest.mark.usefixtures("models")
def test_a_question_is_edited_without_a_websocket(page: Page, models) -> None:  # noqa: F811
    page.route_web_socket("**/socket", lambda socket: socket.close(code=1011))
    log_in(page, factories.user())
    page.goto("/")
    check_edit_while_an_answer_is_written(page, models)


@pytest.mark.usefixtures("ada")
def test_two_edits_in_a_row_without_a_connection_end_at_the_last_one(page: Page) -> None:
    for number, question in enumerate(("One?", "Two?"), 1):
        ask(page, question)
        ended(page, number)
    page.context.set_offline(True)
    expect(page.locator("[data-banner]")).to_be_visible()
    edit(page, 1, "Two, again?")
    edit(page, 0, "One, again?")
    page.get_by_label("Your question").press("ArrowUp")
    expect(page.get_by_label("Edit your question")).to_have_count(0)
    page.context.set_offline(False)
    ended(page, 1)
    expect(page.locator("[data-turns] [data-question]")).to_have_text(["One, again?"])
    ask(page, "Three?")
    ended(page, 2)
    page.reload()
    assert questions(page) == ["One, again?", "Three?"]
    assert Turn.objects.count() == 5


def test_the_first_question_of_a_page_and_that_of_a_long_session_are_edited(page: Page, ada) -> None:  # noqa: F811
    session = factories.session(ada)
    for number in range(16):
        factories.answer(session, f"{number}?", text="Yes. " * 300)
    page.goto(f"/chat/{session.pk}/")
    assert questions(page) == [f"{number}?" for number in range(4, 16)]
    edit(page, 0, "Four, again?")
    ended(page, 5)  # those before it come as they are in view
    assert questions(page) == ["0?", "1?", "2?", "3?", "Four, again?"]
    other = page.context.new_page()
    other.goto(f"/chat/{session.pk}/?turn={Turn.objects.get(text='15?').pk}")
    expect(other.locator("[data-earlier]")).to_be_visible()
    edit(page, 0, "None, again?")
    for each in (page, other):
        expect(each.locator("[data-turns] [data-question]")).to_have_text(["None, again?"])
        expect(each.locator("[data-earlier]")).to_have_count(0)
