"""The pages of websites and feeds: adding, progress, failures, stopping, and reading a page."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from documents.models import Address, Document
from documents.sources.service import add_feed, add_website
from tests import factories
from workspaces.models import Role

from .conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace()


@pytest.fixture
def edit(as_user, workspace) -> Client:
    return as_user(factories.member(workspace, Role.EDITOR))


@pytest.fixture
def view(as_user, workspace) -> Client:
    return as_user(factories.member(workspace, Role.VIEWER))


def website(workspace, **fields: Any) -> Document:
    """Create a website that was crawled: one page, one that failed and one that was left out."""
    site = add_website(workspace, None, "https://docs.example.org/", title="Docs", ask_worker=False)
    child = factories.document(
        workspace,
        parent=site,
        kind="page",
        url="https://docs.example.org/pumps",
        title="Pumps",
        chunk_count=3,
    )
    Address.objects.filter(source=site.source).update(state="done")
    for path, state, reason, document in (
        ("pumps", "done", "", child),
        ("missing", "failed", "There is no such page (status 404).", None),
        ("secret", "skipped", "The site's robots.txt does not allow it.", None),
    ):
        Address.objects.create(
            source=site.source,
            url=f"https://docs.example.org/{path}",
            state=state,
            reason=reason,
            document=document,
        )
    Document.objects.filter(pk=site.pk).update(
        status="ready", stage="done", page_count=1, next_attempt_at=None, **fields
    )
    site.refresh_from_db()
    return site


def test_a_website_is_added_with_its_options(edit, workspace):
    fields = {
        "url": "docs.example.org/guide/", "follows_links": "on", "is_below_start": "on", "max_pages": 50,
        "max_depth": 3, "include": "/guide/*\n\n*.pdf", "exclude": "", "schedule": "weekly", "language": "en",
    }  # fmt: skip
    response = edit.post(f"/workspaces/{workspace.id}/add/website/", fields)
    site = workspace.documents.get()
    assert response.url == f"/workspaces/{workspace.id}/documents/{site.id}/"
    assert (site.kind, site.url, site.title) == (
        "site",
        "https://docs.example.org/guide/",
        "docs.example.org/guide",
    )
    assert (site.source.max_pages, site.source.include, site.source.schedule) == (
        50,
        ["/guide/*", "*.pdf"],
        "weekly",
    )
    assert "Waiting for a worker" in text_of(edit.get(response.url))


def test_a_feed_is_added(edit, workspace):
    fields = {"url": "https://example.org/feed.xml", "schedule": "daily", "language": "en"}
    edit.post(f"/workspaces/{workspace.id}/add/feed/", fields)
    feed = workspace.documents.get()
    assert (feed.kind, feed.source.schedule, feed.source.prefers_own_text) == ("feed", "daily", False)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "javascript:alert(1)",
            "Only addresses that begin with http:// or https:// are fetched, not javascript.",
        ),
        (
            "mailto:ada@example.org",
            "Only addresses that begin with http:// or https:// are fetched, not mailto.",
        ),
        ("http://[docs", "This is not a web address, such as https://example.org."),
        ("the docs", "This is not a web address, such as https://example.org."),
        ("do\tcs", "The address contains a character that is not allowed. Remove it."),
        ("docs..org", "This is not a web address, such as https://example.org."),
    ],
)
def test_what_is_no_address_is_answered_with_what_one_looks_like(edit, workspace, url, sentence):
    fields = {"url": url, "schedule": "daily", "language": "en"}
    assert sentence in text_of(edit.post(f"/workspaces/{workspace.id}/add/feed/", fields))


@pytest.mark.parametrize("way", ["website", "feed"])
def test_an_address_that_is_refused_says_why_and_keeps_what_was_typed(edit, workspace, way):
    fields = {
        "url": "http://127.0.0.1/",
        "max_pages": 5,
        "max_depth": 1,
        "schedule": "daily",
        "language": "en",
    }
    page = text_of(edit.post(f"/workspaces/{workspace.id}/add/{way}/", fields))
    assert "not on the public web" in page
    assert 'value="http://127.0.0.1/"' in page
    assert not workspace.documents.exists()


def test_the_page_of_a_website_shows_its_pages_the_failed_ones_first(view, workspace):
    site = website(workspace)
    page = text_of(view.get(f"/workspaces/{workspace.id}/documents/{site.id}/"))
    assert "1 address could not be read" in page
    assert page.index("no such page (status 404)") < page.index(">Pumps<")
    assert "robots.txt does not allow it" in page
    assert "3 passages" in page
    failed = text_of(view.get(f"/workspaces/{workspace.id}/documents/{site.id}/?status=failed"))
    assert "no such page" in failed
    assert ">Pumps<" not in failed


def test_a_website_at_work_says_how_far_it_is(edit, workspace):
    site = website(workspace)
    Document.objects.filter(pk=site.pk).update(
        status="processing", stage="fetch", progress_done=3, progress_total=4
    )
    site.source.is_under_way = True
    site.source.save()
    page = text_of(edit.get(f"/workspaces/{workspace.id}/documents/{site.id}/"))
    assert "2 of 3 pages; 1 failed" in page
    assert 'hx-trigger="every 2s"' in page


def test_a_website_that_no_worker_has_says_so(edit, workspace):
    site = website(workspace)
    lost = timezone.now() - timedelta(minutes=5)
    Document.objects.filter(pk=site.pk).update(status="processing", lease_until=lost)
    page = text_of(edit.get(f"/workspaces/{workspace.id}/documents/{site.id}/"))
    assert "No worker has responded for a while." in page


def test_a_visit_is_stopped_and_started_again(edit, view, workspace):
    site = website(workspace)
    Document.objects.filter(pk=site.pk).update(status="processing", stage="fetch")
    address = f"/workspaces/{workspace.id}/documents/{site.id}/"
    assert "Stop" not in text_of(view.get(address))
    edit.post(address + "stop/")
    site.refresh_from_db()
    assert (site.status, "Crawl again" in text_of(edit.get(address))) == ("ready", True)
    edit.post(address + "retry/")
    site.refresh_from_db()
    assert site.status == "pending"


def test_the_list_of_documents_shows_the_website_and_not_each_page(edit, workspace):
    website(workspace)
    page = text_of(edit.get(f"/workspaces/{workspace.id}/"))
    assert "Docs" in page
    assert "1 page<" in page
    assert "1 could not be read" in page
    assert "Pumps" not in page


def test_a_page_says_where_it_comes_from(view, workspace):
    site = website(workspace)
    child = site.children.get()
    page = text_of(view.get(f"/workspaces/{workspace.id}/documents/{child.id}/"))
    assert '<a href="https://docs.example.org/pumps" rel="noopener noreferrer nofollow"' in page
    assert f"/documents/{site.id}/" in page


def test_a_site_of_many_pages_takes_as_many_queries_as_a_small_one(
    view, workspace, django_assert_max_num_queries
):
    site = add_feed(workspace, None, "https://example.org/feed", ask_worker=False)
    for number in range(30):
        post = factories.document(workspace, parent=site, kind="post", url=f"https://example.org/{number}")
        Address.objects.create(source=site.source, url=post.url, state="done", document=post)
    with django_assert_max_num_queries(14):
        view.get(f"/workspaces/{workspace.id}/documents/{site.id}/")


def test_many_addresses_come_in_pages_that_keep_the_filter(view, workspace):
    site = website(workspace)
    Address.objects.bulk_create(
        Address(
            source=site.source,
            url=f"https://docs.example.org/old/{number}",
            state="failed",
            reason="There is no such page (status 404).",
        )
        for number in range(55)
    )
    where = f"/workspaces/{workspace.id}/documents/{site.id}/?status=failed"
    assert "?status=failed&page=2" in text_of(view.get(where))
    second = text_of(view.get(where + "&page=2"))
    assert "51–56 of 56" in second
    assert "?status=failed&page=1" in second


def test_how_a_website_is_read_can_be_changed(edit, workspace):
    site = website(workspace)
    path = f"/workspaces/{workspace.id}/documents/{site.pk}/options/"
    assert path in edit.get(f"/workspaces/{workspace.id}/documents/{site.pk}/").content.decode()
    assert 'name="max_pages"' in edit.get(path).content.decode()
    fields = {
        "max_pages": 7,
        "max_depth": 2,
        "include": "/guide/*\n*.pdf",
        "exclude": "",
        "schedule": "daily",
    }
    assert edit.post(path, fields).status_code == 302
    source = Document.objects.get(pk=site.pk).source
    kept = (source.max_pages, source.include, source.schedule, source.follows_links)
    assert kept == (7, ["/guide/*", "*.pdf"], "daily", False)
    assert source.next_visit_at is not None


def test_options_that_can_fit_nothing_are_refused_and_change_nothing(edit, workspace):
    site = website(workspace)
    path = f"/workspaces/{workspace.id}/documents/{site.pk}/options/"
    fields = {"max_pages": 7, "max_depth": 2, "include": "guide", "schedule": "never"}
    assert "Begin it with / or *" in text_of(edit.post(path, fields))
    assert Document.objects.get(pk=site.pk).source.max_pages == 200


def test_a_viewer_changes_no_options(view, workspace):
    site = website(workspace)
    path = f"/workspaces/{workspace.id}/documents/{site.pk}/options/"
    assert view.get(path).status_code == view.post(path, {"schedule": "daily"}).status_code == 404
