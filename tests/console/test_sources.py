"""The operators' list of websites and feeds: what it says, what can be done there, and who may not."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from documents.models import Address, Document, Source
from documents.sources.service import add_feed, add_website
from tests import factories

pytestmark = pytest.mark.django_db

LIST = reverse("admin:documents_source_changelist")


@pytest.fixture
def operator(client):
    client.force_login(factories.operator())
    return client


@pytest.fixture
def workspace():
    return factories.workspace(name="Handbook")


def rested(document, **fields):
    """As after a visit."""
    at_rest = {"status": "ready", "stage": "done", "next_attempt_at": None}
    Document.objects.filter(pk=document.pk).update(**at_rest | fields)
    Address.objects.filter(source=document.pk).update(state="done")
    return Source.objects.get(pk=document.pk)


@pytest.fixture
def site(workspace):
    """A website with a page that is found, one that failed, and one that could not be read."""
    document = add_website(
        workspace,
        None,
        "https://docs.example.org/",
        title="Docs",
        schedule="daily",
        exclude=["/old/*"],
        ask_worker=False,
    )
    child = {"parent": document, "kind": "page"}
    good = factories.document(workspace, url="https://docs.example.org/pumps", **child)
    bad = factories.document(
        workspace, url="https://docs.example.org/x", status="failed", error="Broken.", **child
    )
    source = rested(document)
    for state, reason, found in (("done", "", good), ("done", "", bad), ("failed", "Status <404>.", None)):
        url = found.url if found else "https://docs.example.org/missing"
        source.addresses.create(url=url, state=state, reason=reason, document=found)
    return source


@pytest.fixture
def feed(workspace):
    return rested(add_feed(workspace, None, "https://example.org/feed", title="News", ask_worker=False))


def act(client, action, *sources):
    chosen = {"action": action, "_selected_action": [each.pk for each in sources]}
    return client.post(LIST, chosen, follow=True).content.decode()


def listed(client, query):
    return list(client.get(f"{LIST}?{query}").context["cl"].queryset)


def test_the_list_says_of_each_where_it_is_how_it_stands_and_when_it_is_looked_at(operator, site):
    now = timezone.now()
    Source.objects.update(
        visited_at=now - timedelta(hours=5), next_visit_at=now + timedelta(hours=23, minutes=5)
    )
    Document.objects.filter(pk=site.pk).update(status="failed", error="The site did not answer.")
    page = operator.get(LIST).content.decode()
    for words in (
        "Docs", "Handbook", "Website", ">docs.example.org<", "Failed", "1 searchable, 2 failed",
        "5\xa0hours ago", "23\xa0hours from now", "The site did not answer.",
    ):  # fmt: skip
        assert words in page, words


def test_sources_are_found_by_state_kind_schedule_and_words(operator, site, feed):
    for query in ("state=troubled", "kind=site", "schedule__exact=daily", "q=docs.example"):
        assert listed(operator, query) == [site], query
    for query in ("kind=feed", "schedule__exact=hourly", "q=news"):
        assert listed(operator, query) == [feed], query
    assert set(listed(operator, "state=ready")) == {site, feed}
    assert listed(operator, "state=failed") == []


def test_a_source_that_no_worker_takes_is_listed_as_stuck(operator, feed):
    due = timezone.now() - timedelta(minutes=5)
    Document.objects.filter(pk=feed.pk).update(status="pending", next_attempt_at=due)
    assert listed(operator, "state=stuck") == [feed]
    assert ">Stuck</span>" in operator.get(LIST).content.decode()


def test_the_page_of_a_source_shows_its_options_and_what_failed_and_changes_nothing(operator, site):
    address = reverse("admin:documents_source_change", args=[site.pk])
    page = operator.get(address).content.decode()
    for words in ("/old/*", "Every day", "missing</dt><dd>Status &lt;404&gt;.", "/x</dt><dd>Broken."):
        assert words in page, words
    assert reverse("document-options", args=[site.document.workspace_id, site.pk]) in page
    assert operator.post(address, {"schedule": "never"}).status_code == 403
    assert operator.post(reverse("admin:documents_source_delete", args=[site.pk])).status_code == 403


def test_of_a_feed_no_limits_of_a_crawl_are_shown(operator, feed):
    page = operator.get(reverse("admin:documents_source_change", args=[feed.pk])).content.decode()
    assert "Use the text in the feed" in page
    assert "Maximum number of pages" not in page


def test_what_rests_is_looked_at_now_and_what_is_being_read_is_left_alone(operator, site, feed):
    Document.objects.filter(pk=feed.pk).update(status="processing", lease_until=timezone.now())
    assert "1 will be visited" in act(operator, "look_now", site, feed)
    statuses = Document.objects.in_bulk([site.pk, feed.pk])
    assert (statuses[site.pk].status, statuses[feed.pk].status) == ("pending", "processing")
    assert "Nothing was done: each is already being read." in act(operator, "look_now", feed)


def test_a_visit_is_stopped_and_what_rests_has_none(operator, site, feed):
    Document.objects.filter(pk=site.pk).update(status="pending")
    assert "1 stopped." in act(operator, "stop_looking", site, feed)
    assert Document.objects.get(pk=site.pk).status == "ready"
    assert "Nothing was done: none is being read" in act(operator, "stop_looking", site)


def test_a_schedule_is_ended(operator, site):
    assert "1 will be visited only on request." in act(operator, "end_schedule", site)
    site.refresh_from_db()
    assert (site.schedule, site.next_visit_at) == ("never", None)
    assert "Nothing was done: none has a schedule." in act(operator, "end_schedule", site)


def test_the_list_takes_as_many_queries_for_ten_as_for_one(
    operator, workspace, django_assert_max_num_queries
):
    for number in range(10):
        add_feed(workspace, None, f"https://example.org/{number}", ask_worker=False)
    with django_assert_max_num_queries(12):
        operator.get(LIST)


def test_a_member_neither_sees_nor_does_any_of_it(client, site):
    client.force_login(factories.member(site.document.workspace, "manager"))
    assert client.get(LIST, follow=True).status_code == 403
    chosen = {"action": "end_schedule", "_selected_action": [site.pk]}
    assert client.post(LIST, chosen, follow=True).status_code == 403
    site.refresh_from_db()
    assert site.schedule == "daily"
