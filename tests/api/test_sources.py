import pytest

from documents.models import Address
from tests import factories
from workspaces.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace()


@pytest.fixture
def editor(api, workspace):
    return api(factories.member(workspace, Role.EDITOR))


def test_a_website_is_added_with_its_options_and_tells_how_far_it_is(editor, workspace):
    body = {"url": "https://docs.example.org/", "maxPages": 20, "exclude": ["/blog/*"], "schedule": "daily"}
    response = editor("POST", f"workspaces/{workspace.pk}/websites", body)
    assert response.status_code == 201
    site = workspace.documents.get()
    assert (site.source.max_pages, site.source.exclude, site.source.schedule) == (20, ["/blog/*"], "daily")
    Address.objects.create(
        source=site.source, url="https://docs.example.org/x", state="failed", reason="Gone."
    )
    row = editor("GET", f"workspaces/{workspace.pk}/sources/{site.pk}").json()
    assert (row["kind"], row["url"], row["schedule"]) == ("site", "https://docs.example.org/", "daily")
    assert (row["pages"]["queued"], row["pages"]["failed"]) == (1, 1)
    assert row["troubles"] == [
        {"url": "https://docs.example.org/x", "state": "failed", "reason": "Gone.", "documentId": None}
    ]


def test_a_feed_is_added(editor, workspace):
    response = editor("POST", f"workspaces/{workspace.pk}/feeds", {"url": "https://example.org/feed"})
    assert (response.status_code, response.json()["kind"]) == (201, "feed")


@pytest.mark.parametrize("kind", ["websites", "feeds"])
@pytest.mark.parametrize("url", ["http://169.254.169.254/", "file:///etc/passwd", "http://[::1]/"])
def test_a_forbidden_address_is_refused_with_the_reason(editor, workspace, kind, url):
    response = editor("POST", f"workspaces/{workspace.pk}/{kind}", {"url": url})
    assert response.status_code == 400
    assert response.json()["url"]
    assert not workspace.documents.exists()


def test_a_visit_is_stopped(editor, workspace):
    editor("POST", f"workspaces/{workspace.pk}/websites", {"url": "https://docs.example.org/"})
    site = workspace.documents.get()
    response = editor("POST", f"workspaces/{workspace.pk}/sources/{site.pk}/stop")
    assert (response.status_code, response.json()["status"]) == (200, "ready")


def test_how_a_website_is_read_is_changed(editor, workspace):
    editor("POST", f"workspaces/{workspace.pk}/websites", {"url": "https://docs.example.org/"})
    site = workspace.documents.get()
    address = f"workspaces/{workspace.pk}/sources/{site.pk}"
    assert editor("PATCH", address, {"maxPages": 9, "schedule": "daily"}).json()["schedule"] == "daily"
    site.source.refresh_from_db()
    assert (site.source.max_pages, site.source.max_depth) == (9, 5)
    assert editor("PATCH", address, {"include": ["guide"]}).status_code == 400
    refusal = editor("PATCH", address, {"prefersOwnText": True})
    assert (refusal.status_code, "no such option" in refusal.content.decode()) == (400, True)


def test_what_is_no_website_or_feed_is_not_found(editor, workspace):
    document = factories.document(workspace)
    assert editor("GET", f"workspaces/{workspace.pk}/sources/{document.pk}").status_code == 404
