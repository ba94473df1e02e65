from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from chat.models import Answer, Summary
from documents.models import Document
from tests import factories

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


@pytest.fixture
def operator(client):
    client.force_login(factories.operator())
    return client


@pytest.fixture
def workspace():
    return factories.workspace()


def answer(*, ago=timedelta(0), waited_s=None, **fields):
    made = factories.answer(factories.session(factories.user()), **fields)
    asked = timezone.now() - ago
    first = asked + timedelta(seconds=waited_s) if waited_s is not None else None
    Answer.objects.filter(pk=made.pk).update(created_at=asked, first_token_at=first)
    return made


def rated(answer, **fields):
    return answer.ratings.create(user=answer.turn.session.user, **fields)


def figure(client, panel, label):
    found = {each.title: each for each in client.get(INDEX).context["panels"]}[panel]
    return next(each for each in found.figures if label in each.label)


def rows(client, figure):
    return list(client.get(figure.url).context["cl"].queryset)


def test_an_empty_site_has_a_console(operator):
    page = operator.get(INDEX).content.decode()
    for title in ("Models", "Ingestion", "Answers, last 24 hours", "Spending"):
        assert title in page
    assert figure(operator, "Answers, last 24 hours", "median").value == "–"


@pytest.mark.parametrize(
    ("label", "fields", "tone"),
    [
        ("healthy", {"last_check_ok": True, "last_check_ms": 5}, ""),
        ("slow", {"last_check_ok": True, "last_check_ms": 5000}, "warn"),
        ("failing", {"last_check_ok": False}, "bad"),
    ],
)
def test_models_are_counted_and_the_figure_leads_to_them(operator, label, fields, tone):
    endpoint = factories.chat_endpoint(**fields)
    found = figure(operator, "Models", label)
    assert (found.value, found.tone) == ("1", tone)
    assert rows(operator, found) == [endpoint]


def test_what_went_well_raises_no_alarm(operator):
    assert figure(operator, "Models", "failing").tone == ""
    assert figure(operator, "Ingestion", "failed").tone == ""


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("waiting", {"status": "pending", "next_attempt_at": timedelta(0)}),
        ("waiting", {"status": "pending", "next_attempt_at": timedelta(hours=1)}),
        ("working", {"status": "processing", "lease_until": timedelta(seconds=20)}),
        ("stuck", {"status": "pending", "next_attempt_at": -timedelta(minutes=5)}),
        ("stuck", {"status": "processing", "lease_until": -timedelta(minutes=5)}),
        ("failed", {"status": "failed"}),
    ],
)
def test_documents_are_counted_once_each_and_the_figure_leads_to_them(operator, workspace, label, fields):
    moments = {name: timezone.now() + each for name, each in fields.items() if isinstance(each, timedelta)}
    document = factories.document(workspace, **fields | moments)
    for state in ("waiting", "working", "stuck", "failed"):
        assert figure(operator, "Ingestion", state).value == str(int(state == label)), state
    assert rows(operator, figure(operator, "Ingestion", label)) == [document]


def test_answers_of_the_last_day_are_counted_and_their_median_wait_is_shown(operator):
    recent = [answer(waited_s=seconds) for seconds in (1, 2, 30)]
    failed = answer(status="failed")
    answer(ago=timedelta(hours=25), waited_s=500, status="failed")
    assert figure(operator, "Answers, last 24 hours", "asked").value == "4"
    assert figure(operator, "Answers, last 24 hours", "median").value == "2.0 s"
    failures = figure(operator, "Answers, last 24 hours", "failed")
    assert (failures.value, failures.tone) == ("1", "bad")
    assert rows(operator, failures) == [failed]
    assert set(rows(operator, figure(operator, "Answers, last 24 hours", "asked"))) == {*recent, failed}


def test_spending_is_added_up_for_today_and_thirty_days(operator):
    answer(cost=Decimal("0.5"), input_tokens=1000, output_tokens=500)
    answer(cost=Decimal("2"), input_tokens=2_000_000, ago=timedelta(days=9))
    answer(cost=Decimal("100"), ago=timedelta(days=40))
    today, month = figure(operator, "Spending", "today"), figure(operator, "Spending", "30 days")
    assert (today.value, today.label) == ("$0.50", "today, 1.5 k tokens")
    assert (month.value, month.label) == ("$2.50", "in 30 days, 2.0 M tokens")
    assert len(rows(operator, month)) == 2


def test_the_console_takes_as_many_queries_however_much_there_is(
    operator, workspace, django_assert_max_num_queries
):
    for _ in range(5):
        factories.document(workspace)
        answer()
    with django_assert_max_num_queries(22):
        operator.get(INDEX)


def test_what_is_wrong_is_told_newest_first_with_the_button_that_helps(operator, workspace):
    now = timezone.now()
    model = factories.chat_endpoint(name="Large", last_check_ok=False, last_error="It is down.")
    type(model).objects.filter(pk=model.pk).update(last_check_at=now - timedelta(minutes=1))
    document = factories.document(
        workspace,
        title="Torn.pdf",
        status="failed",
        error="The file is cut.",
        moved_at=now - timedelta(minutes=2),
    )
    for minutes in (3, 4):
        ended = now - timedelta(minutes=minutes)
        answer(status="failed", error="No first word.", endpoint_name="Slow", ended_at=ended)
    answer(status="failed", error="Long ago.", endpoint_name="Slow", ended_at=now - timedelta(days=2))
    found = [(each.subject, each.words, each.button) for each in operator.get(INDEX).context["troubles"]]
    assert found == [
        ("Model Large", "It is down.", "Check"),
        (f"Torn.pdf in {workspace.name}", "The file is cut.", "Retry"),
        ("2 answers by Slow failed", "No first word.", "Open"),
    ]
    page = operator.get(INDEX).content.decode()
    retry = reverse("document-retry", args=[workspace.pk, document.pk])
    assert f'action="{retry}"' in page
    operator.post(retry)
    document.refresh_from_db()
    assert document.status == "pending"


def test_a_console_without_troubles_says_so(operator):
    assert "Nothing: models answer" in operator.get(INDEX).content.decode()


def test_a_member_is_told_why_this_is_not_for_them(client):
    client.force_login(factories.user())
    response = client.get(INDEX, follow=True)
    assert response.status_code == 403


# --- lists ----------------------------------------------------------------------------------------


def test_documents_are_retried_and_deleted_from_the_list(operator, workspace):
    failed = factories.document(workspace, status="failed", error="It is encrypted.")
    other = factories.document(workspace, content=b"text")
    changelist = reverse("admin:documents_document_changelist")
    assert "It is encrypted." in operator.get(changelist).content.decode()
    operator.post(changelist, {"action": "retry_selected", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert (failed.status, failed.error) == ("pending", "")
    operator.post(changelist, {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"})
    assert list(Document.objects.all()) == [failed]
    workspace.refresh_from_db()
    assert workspace.document_count == 1


def test_dead_letters_are_replayed_and_discarded_and_what_is_ready_is_left_alone(operator, workspace):
    replayed, discarded = (factories.document(workspace, status="failed", error="Broken.") for _ in range(2))
    ready = factories.document(workspace)
    changelist = reverse("admin:documents_document_changelist")
    for action, chosen in (("replay_selected", [replayed, ready]), ("discard_selected", [discarded, ready])):
        operator.post(changelist, {"action": action, "_selected_action": [each.pk for each in chosen]})
    assert set(Document.objects.values_list("pk", "status")) == {
        (replayed.pk, "pending"),
        (ready.pk, "ready"),
    }


def test_the_list_of_documents_says_what_is_stuck(operator, workspace):
    factories.document(workspace, status="pending", next_attempt_at=timezone.now() - timedelta(minutes=5))
    page = operator.get(reverse("admin:documents_document_changelist")).content.decode()
    assert "Stuck: 1 document waiting for a worker." in page


def test_the_page_of_a_document_shows_its_ledger(operator, workspace):
    document = factories.document(workspace)
    document.ledger.create(attempt=3, stage="extract", outcome="failed", detail={"error": "unreadable"})
    page = operator.get(reverse("admin:documents_document_change", args=[document.pk])).content.decode()
    assert "unreadable" in page
    assert 'type="submit"' not in page.split('id="document_form"')[1]


def test_the_list_of_workspaces_says_which_are_unwell_and_leads_to_making_one(operator, workspace):
    factories.document(workspace, status="failed")
    factories.document(workspace, status="processing")
    page = operator.get(reverse("admin:workspaces_workspace_changelist")).content.decode()
    assert "1 failed" in page
    assert reverse("workspace-create") in page
    assert reverse("workspace", args=[workspace.pk]) in page


def test_a_workspace_keeps_in_the_admin_what_its_chunks_were_made_with(operator, workspace):
    address = reverse("admin:workspaces_workspace_change", args=[workspace.pk])
    form = operator.get(address).context["adminform"].form
    assert set(form.fields) == {"name", "description"}
    members = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    operator.post(address, {"name": "Renamed", "description": "", "engine": "x", "dimensions": "9"} | members)
    workspace.refresh_from_db()
    assert (workspace.name, workspace.engine, workspace.dimensions) == ("Renamed", "pgvector", 3)


@pytest.mark.parametrize(
    "name",
    [
        "chat_answer",
        "chat_answerrating",
        "chat_session",
        "documents_document",
        "workspaces_workspace",
    ],
)
def test_a_list_takes_as_many_queries_for_ten_as_for_one(operator, name, django_assert_max_num_queries):
    for _ in range(10):
        rated(answer(), is_good=True)
        factories.document(factories.workspace())
    with django_assert_max_num_queries(18):
        operator.get(reverse(f"admin:{name}_changelist"))


def test_ratings_are_read_with_what_they_are_about_but_not_what_was_said(operator):
    bad = rated(answer(text="a secret"), is_good=False, comment="The wrong <page>.")
    rated(answer(), is_good=True, comment="Fine.")
    address = reverse("admin:chat_answerrating_changelist")
    page = operator.get(f"{address}?rating=bad").content.decode()
    assert "The wrong &lt;page&gt;." in page
    assert "Fine." not in page
    one = operator.get(reverse("admin:chat_answerrating_change", args=[bad.pk])).content.decode()
    assert "The wrong &lt;page&gt;." in one
    assert "secret" not in page + one


def test_a_session_leads_to_its_answers(operator):
    mine, _other = answer(), answer()
    page = reverse("admin:chat_session_change", args=[mine.turn.session_id])
    response = operator.get(page, follow=True)
    assert list(response.context["cl"].queryset) == [mine]


@pytest.mark.parametrize("query", ["o=99.1", "state=nonsense", "e=1", "p=99999"])
def test_an_odd_address_of_a_list_is_no_server_error(operator, query):
    answer()
    response = operator.get(f"{reverse('admin:chat_answer_changelist')}?{query}", follow=True)
    assert response.status_code == 200


def test_a_sessions_costs_are_those_of_its_answers_and_of_its_summary(operator):
    mine = answer(cost="0.01", output_tokens=5)
    Summary.objects.create(session=mine.turn.session, text="secret", output_tokens=2, cost="0.002")
    page = operator.get(reverse("admin:chat_session_changelist")).content.decode()
    assert "0.0120" in page
    assert '<td class="field-tokens">7</td>' in page
    assert "secret" not in page


def test_the_attempts_of_an_answer_are_shown_with_what_they_took(operator):
    lost = {"fence": 1, "input_tokens": 1200, "output_tokens": 2, "cost": "0", "is_estimate": True}
    page = reverse("admin:chat_answer_change", args=[answer(broken_off=[lost]).pk])
    assert "1,200 tokens read and 2 written (estimated)" in operator.get(page).content.decode()


def test_answers_are_listed_newest_first(operator):
    old, new = answer(ago=timedelta(hours=2)), answer()
    assert list(operator.get(reverse("admin:chat_answer_changelist")).context["cl"].queryset) == [new, old]


def test_a_rating_leads_to_what_is_known_of_its_answer_but_not_to_what_was_said(operator, workspace):
    document = factories.document(workspace, title="Fees.pdf")
    legs = [{"name": "dense", "found": 30, "took_ms": 12.4, "error": ""}]
    bad = rated(
        answer(text="a secret", trace={"legs": legs, "question": "a secret"}, passages=[{"document": document, "document_title": "Fees.pdf", "text": "a secret"}]),
        is_good=False, comment="The wrong page.",
    )  # fmt: skip
    address = reverse("admin:chat_answer_change", args=[bad.answer_id])
    assert address in operator.get(reverse("admin:chat_answerrating_changelist")).content.decode()
    page = operator.get(address).content.decode()
    for words in ("dense: 30 candidates in 12 ms", "[1] Fees.pdf", "Bad: The wrong page."):
        assert words in page
    assert "a secret" not in page


def test_the_page_that_confirms_many_deletions_names_the_first_and_counts_the_others(operator, workspace):
    documents = [factories.document(workspace) for _ in range(103)]
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in documents], "index": 0}
    page = operator.post(reverse("admin:documents_document_changelist"), chosen).content.decode()
    assert "… and 3 more" in page
    assert "Documents: 103" in page
