"""The guide is in the site, and the help of each page leads to it."""

import re

import pytest
from django.urls import reverse

from ragsite.pages.guide import PAGES, html_of
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client):
    reader = factories.user()
    client.force_login(reader)
    return reader


@pytest.mark.parametrize("slug", PAGES)
def test_every_page_is_there_and_its_links_lead_somewhere(client, reader, slug):
    assert client.get(reverse("help", args=[slug])).status_code == 200
    for path, anchor in re.findall(r'href="(/help/[^"#]*)?(?:#([^"]*))?"', html_of(slug)):
        target = path.strip("/").rpartition("/")[2] if path else slug
        assert target in PAGES
        assert not anchor or f'id="{anchor}"' in html_of(target), f"{slug}: {path}#{anchor}"


def test_a_link_to_what_the_site_does_not_have_is_plain_text():
    assert "adr/" not in "".join(re.findall(r'href="([^"]*)"', html_of("search")))


def test_an_unknown_page_is_not_found(client, reader):
    assert client.get(reverse("help", args=["nothing"])).status_code == 404
    assert client.get(reverse("guide")).status_code == 200


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("chat", "chat"),
        ("workspaces", "workspaces"),
        ("api-keys", "account"),
        ("laboratory-search", "laboratory"),
    ],
)
def test_the_help_of_a_page_is_about_that_page(client, reader, name, slug):
    assert f'href="{reverse("help", args=[slug])}"' in client.get(reverse(name)).content.decode()


@pytest.mark.parametrize(
    ("name", "slug"),
    [("workspace", "documents"), ("workspace-search", "search"), ("workspace-members", "workspaces")],
)
def test_the_help_in_a_workspace_is_about_its_tab(client, reader, name, slug):
    workspace = factories.workspace()
    workspace.memberships.create(user=reader, role="manager")
    page = client.get(reverse(name, args=[workspace.pk])).content.decode()
    assert f'href="{reverse("help", args=[slug])}"' in page
