import io

import pytest
from django.core.management import CommandError, call_command

from documents.fields import definitions as fields
from documents.models import Document
from tests import factories
from tests.fakes.site import Page, html
from workspaces.access_levels import name_levels

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(workspace, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    factories.operator(username="ana")

    def run(*arguments):
        """Return the output of the command as one line, and its error."""
        out = io.StringIO()
        try:
            call_command("crawl", *arguments, "--workspace", workspace.name, stdout=out)
            end = ""
        except CommandError as error:
            end = f" {error}"
        return " ".join(out.getvalue().split()) + end

    return run


def test_a_site_is_read_and_searchable_when_the_command_ends(site, run):
    site.pages |= {"/": html("Start", "/a", "/gone", "/skip/b"), "/a": html("A"), "/gone": Page(b"", 410)}
    said = run(site.at("/"), "--exclude", "/skip/*")
    assert "2 searchable, 1 failed." in said
    assert "no such page (status 410)" in said
    assert set(Document.objects.filter(kind="page").values_list("status", flat=True)) == {"ready"}
    assert Document.objects.get(kind="site").created_by.username == "ana"


def test_the_second_time_only_what_changed_is_read(site, run, embeddings):
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    run(site.at("/"))
    embeddings.requests.clear()
    site.pages["/a"] = html("A new text")
    assert "2 searchable, 0 failed." in run(site.at("/"))
    of_pages = [each for each in embeddings.requests if "worth reading" in str(each.body)]
    assert len(of_pages) == 1  # besides the known texts by which the model is recognised


def test_a_feed_is_read(site, run):
    items = "<item><title>Post</title><guid>1</guid><description>&lt;p&gt;Some words of it.&lt;/p&gt;</description></item>"
    site.pages["/feed"] = Page(f"<rss version='2.0'><channel>{items}</channel></rss>".encode())
    assert "1 searchable, 0 failed." in run(site.at("/feed"), "--feed")


def test_what_is_known_is_said_of_the_site_and_its_pages(site, run, workspace):
    fields.declare(workspace, None, label="Department", choices=["HR", "Legal"])
    name_levels(workspace, None, ["Everyone", "Staff"])
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    known = Document.objects.filter(kind__in=("site", "page")).values_list(
        "metadata__department", "access_level"
    )
    run(site.at("/"), "--set", "department=hr", "--set", "access_level=Staff")
    assert list(known.all()) == [("HR", 1)] * 3
    run(site.at("/"), "--set", "department=Legal")
    assert list(known.all()) == [("Legal", 1)] * 3
    assert "department must be one of: HR, Legal." in run(site.at("/"), "--set", "department=Sales")


def test_what_cannot_be_read_is_said_and_ends_in_an_error(site, run):
    site.pages["/"] = Page(b"", 404)
    assert "No page could be read." in run(site.at("/"))
    assert "not on the public web" in run("http://10.0.0.1/")
