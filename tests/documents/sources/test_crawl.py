"""Websites are crawled from a real server: exactly the allowed pages, each once, whatever happens."""

import pytest

from documents.models import Document
from documents.sources.adding import add_website
from tests.documents.sources.conftest import pages
from tests.fakes.site import html

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_site_becomes_one_document_with_a_sub_document_for_each_page(workspace, site, visit):
    site.pages |= {
        "/": html("Welcome", "/a", "/b#part", "mailto:x@example.org", title="Home"),
        "/a": html("Apples", "/", "/b?utm_source=x"),
        "/b": html("Pears"),
    }
    found = visit(add_website(workspace, None, site.at("/"), ask_worker=False))
    assert (found.status, found.page_count) == ("ready", 3), found.error
    assert pages(found) == {"/": "done", "/a": "done", "/b": "done"}
    assert sorted(site.paths()) == ["/", "/a", "/b"]
    children = Document.objects.filter(parent=found)
    assert {(each.title, each.kind, each.status) for each in children} == {
        ("Home", "page", "ready"), ("Apples", "page", "ready"), ("Pears", "page", "ready"),
    }  # fmt: skip
    text = children.get(title="Apples").sections.get().text
    assert "Apples" in text
    assert "/b" not in text, "menus are left out"
    workspace.refresh_from_db()
    assert workspace.document_count == 4
