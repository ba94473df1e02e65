"""A site that refuses, is parked, asks to log in, shrank or moved keeps its pages until a user decides."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from documents.errors import DocumentRefused
from documents.models import Address, Document, LedgerEntry, SourceHold
from documents.sources.missing_pages import keep_missing, remove_missing
from documents.sources.service import add_feed, add_website
from tests import factories
from tests.documents.sources.conftest import pages
from tests.documents.sources.test_crawl import due_again, soon
from tests.documents.sources.test_feeds import feed_of, item
from tests.fakes.site import Page, html, moved, running_site

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = ["/a", "/b", "/c", "/d", "/e"]


def article(subject, **more):
    """A page with words of its own, as real pages have."""
    return html(" ".join(f"{subject.strip('/')}{number}" for number in range(40)), title=subject, **more)


@pytest.fixture
def six_pages(workspace, site, visit):
    """A website of six pages that was read once."""
    site.pages["/"] = html("Start", *PATHS)
    site.pages |= {path: article(path) for path in PATHS}
    return visit(add_website(workspace, None, site.at("/"), ask_worker=False))


@pytest.fixture
def visit_again(visit):
    def run(document):
        due_again(document)
        return visit(document)

    return run


def searchable(document):
    return Document.objects.filter(parent=document, status="ready").count()


def hold_of(document):
    return SourceHold.objects.filter(source=document.pk).first()


def texts(document):
    return {text for each in document.children.all() for text in each.sections.values_list("text", flat=True)}


def everywhere(site, answer):
    for path in ["/", *PATHS]:
        site.pages[path] = answer(path) if callable(answer) else answer


def redirect_to(target):
    return lambda path: moved(target)


def _login(site):
    number = iter(range(1000))

    def form(headers):
        token = f'<input type="hidden" name="csrf" value="{next(number)}">'
        return Page(f"<html><title>Log in</title><form>{token}Please log in to go on</form></html>".encode())

    everywhere(site, lambda path: form)


def _login_elsewhere(site):
    site.pages["/login"] = html("Please log in")
    everywhere(site, redirect_to("/login"))


def _challenge(site):
    def page(path):
        return html(f"Checking your browser before you go on, please wait, reference {path.strip('/')}1f")

    everywhere(site, page)


TROUBLES = {
    "robots": (lambda site: site.robots("User-agent: *\nDisallow: /"), "robots"),
    "parked": (lambda site: everywhere(site, html("This domain is for sale")), "same_text"),
    "401": (lambda site: everywhere(site, Page(b"", 401)), "refused"),
    "403": (lambda site: everywhere(site, Page(b"", 403)), "refused"),
    "login form": (_login, "same_text"),
    "login page": (_login_elsewhere, "same_text"),
    "browser check": (_challenge, "same_text"),
    "all gone": (lambda site: everywhere(site, Page(b"", 404)), "gone"),
    "blank": (lambda site: everywhere(site, Page(b"<html><script>start()</script></html>")), "same_text"),
    "noindex": (
        lambda site: everywhere(
            site, lambda path: article(f"new{path}", head='<meta name="robots" content="noindex">')
        ),
        "no_index",
    ),
}


@pytest.mark.parametrize(("change", "finding"), TROUBLES.values(), ids=TROUBLES)
def test_a_site_that_is_not_itself_at_one_visit_keeps_every_page(
    site, six_pages, visit_again, change, finding
):
    before, known = texts(six_pages), dict(site.pages)
    change(site)
    found = visit_again(six_pages)
    assert (found.status, searchable(found), texts(found)) == ("ready", 6, before)
    hold = hold_of(found)
    assert (hold.finding, hold.page_count, hold.known_count, hold.visits) == (finding, 6, 6, 1)
    told = LedgerEntry.objects.filter(document=found, stage="fetch").latest("pk").detail["held"]
    assert told.startswith("The last visit did not find 6 of 6 pages.")
    site.pages = known
    found = visit_again(six_pages)
    assert (hold_of(found), searchable(found), texts(found)) == (None, 6, before), "it is itself again"
    assert {state for path, state in pages(found).items() if path in ["/", *PATHS]} == {"done"}


def test_a_site_that_moved_to_another_domain_is_not_followed_there(site, six_pages, visit_again):
    with running_site() as other:
        other.pages |= {"/": html("Casino", "/x"), "/x": html("Roulette")}
        everywhere(site, redirect_to(other.at("/")))
        found = visit_again(six_pages)
    assert (hold_of(found).finding, searchable(found)) == ("moved", 6)
    assert found.source.home == site.at("/")
    assert "Casino" not in " ".join(texts(found))


def test_a_server_that_fails_keeps_its_pages_and_no_number_of_visits_removes_them(
    site, six_pages, visit, settings
):
    settings.CRAWL_HELD_VISITS = 2
    everywhere(site, Page(b"", 500))
    for _ in range(3):
        due_again(six_pages)
        while visit(six_pages).status == "pending":
            soon(six_pages)
        a_day_ago(six_pages)
    assert (hold_of(six_pages).finding, searchable(six_pages)) == ("failed", 6)


def test_few_pages_that_are_gone_are_removed_at_once(site, six_pages, visit_again):
    site.pages["/e"] = Page(b"", 404)
    found = visit_again(six_pages)
    assert (hold_of(found), searchable(found), pages(found)["/e"]) == (None, 5, "gone")


@pytest.mark.parametrize(("percent", "is_held"), [(33, True), (34, False)])
def test_the_share_that_holds_a_site_is_a_setting(site, six_pages, visit_again, settings, percent, is_held):
    settings.CRAWL_HELD_PERCENT = percent
    site.pages |= {"/d": Page(b"", 410), "/e": Page(b"", 410)}  # 33.3 %
    found = visit_again(six_pages)
    assert (bool(hold_of(found)), searchable(found)) == (is_held, 6 if is_held else 4)


def test_a_site_that_gives_its_pages_new_addresses_is_not_held(site, six_pages, visit_again):
    site.pages |= {f"/new{path}": article(path, head="<meta name=version content=2>") for path in PATHS}
    site.pages |= {path: moved(f"/new{path}", 301) for path in PATHS}
    before = texts(six_pages)
    found = visit_again(six_pages)
    assert (hold_of(found), searchable(found), texts(found)) == (None, 6, before)
    assert (pages(found)["/a"], pages(found)["/new/a"]) == ("skipped", "done")


def test_pages_that_always_look_alike_are_read_when_they_change(workspace, site, visit, visit_again):
    def product(number, stock):
        return html(f"Part {number}, in stock {stock}")

    site.pages["/"] = html("Start", *PATHS)
    site.pages |= {path: product(n, 1) for n, path in enumerate(PATHS)}
    found = visit(add_website(workspace, None, site.at("/"), ask_worker=False))
    site.pages |= {path: product(n, 2) for n, path in enumerate(PATHS)}
    found = visit_again(found)
    assert hold_of(found) is None
    assert sum("stock 2" in text for text in texts(found)) == 5


def test_a_site_of_one_page_keeps_it_when_it_is_gone(workspace, site, visit, visit_again):
    site.pages["/"] = html("Start")
    found = visit(add_website(workspace, None, site.at("/"), ask_worker=False))
    site.pages["/"] = Page(b"", 404)
    found = visit_again(found)
    assert (found.status, searchable(found), hold_of(found).finding) == ("ready", 1, "gone")


# --- visits in a row ------------------------------------------------------------------------------


def a_day_ago(document):
    SourceHold.objects.filter(source=document.pk).update(counted_at=timezone.now() - timedelta(days=1))


def test_enough_visits_on_different_days_with_the_same_finding_remove_the_pages(
    site, six_pages, visit_again, settings
):
    settings.CRAWL_HELD_VISITS = 3
    site.robots("User-agent: *\nDisallow: /")
    for _ in range(5):
        found = visit_again(six_pages)
    assert (hold_of(found).visits, searchable(found)) == (1, 6), "visits of one day count once"
    a_day_ago(found)
    found = visit_again(six_pages)
    assert (hold_of(found).visits, searchable(found)) == (2, 6)
    a_day_ago(found)
    found = visit_again(six_pages)
    assert (hold_of(found), searchable(found), found.status) == (None, 0, "failed")
    event = AuditEvent.objects.get(action="document.remove_missing")
    assert (event.user, event.detail["pages"], event.detail["finding"]) == (None, 6, "robots")


def test_another_finding_begins_the_count_again(site, six_pages, visit_again, settings):
    settings.CRAWL_HELD_VISITS = 2
    site.robots("User-agent: *\nDisallow: /")
    found = visit_again(six_pages)
    a_day_ago(found)
    site.robots("")
    everywhere(site, Page(b"", 403))
    found = visit_again(six_pages)
    assert (hold_of(found).finding, hold_of(found).visits, searchable(found)) == ("refused", 1, 6)


# --- decisions ------------------------------------------------------------------------------------


@pytest.fixture
def held(site, six_pages, visit_again):
    site.robots("User-agent: *\nDisallow: /")
    return visit_again(six_pages)


def test_an_editor_is_asked_on_the_page_and_removes_the_pages(client, workspace, held):
    client.force_login(factories.member(workspace, "editor"))
    address = reverse("document", args=[workspace.id, held.pk])
    page = client.get(address).content.decode()
    for words in (
        "Held.", "did not find 6 of 6 pages", "robots.txt does not allow it", "more than 30 %", "5 visits in a row",
        "Remove these 6 pages", "Keep them",
    ):  # fmt: skip
        assert words in page, words
    assert "Held" in client.get(reverse("workspace", args=[workspace.id])).content.decode()
    decide = reverse("document-missing", args=[workspace.id, held.pk])
    reply = client.post(decide, {"decision": "remove"}, follow=True)
    assert "6 pages were removed." in reply.content.decode()
    assert (searchable(held), hold_of(held)) == (0, None)
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.chunk_count) == (1, 0)


def test_pages_that_a_user_keeps_stay_however_many_visits_find_the_same(
    client, workspace, held, visit_again, settings
):
    settings.CRAWL_HELD_VISITS = 2
    editor = factories.member(workspace, "editor", username="erika")
    client.force_login(editor)
    decide = reverse("document-missing", args=[workspace.id, held.pk])
    assert (
        "6 pages stay searchable." in client.post(decide, {"decision": "keep"}, follow=True).content.decode()
    )
    for _ in range(3):
        a_day_ago(held)
        visit_again(held)
    assert searchable(held) == 6
    page = client.get(reverse("document", args=[workspace.id, held.pk])).content.decode()
    assert "erika decided this" in page
    assert "Keep them" not in page


def test_a_viewer_sees_the_finding_and_decides_nothing(client, workspace, held):
    client.force_login(factories.member(workspace, "viewer"))
    page = client.get(reverse("document", args=[workspace.id, held.pk])).content.decode()
    assert "Held." in page
    assert "Remove these" not in page
    decide = reverse("document-missing", args=[workspace.id, held.pk])
    assert client.post(decide, {"decision": "remove"}).status_code == 404
    assert searchable(held) == 6


def test_nothing_is_decided_while_a_visit_runs_or_nothing_is_held(held):
    due_again(held)
    with pytest.raises(DocumentRefused, match="being read right now"):
        remove_missing(held, None)
    Document.objects.filter(pk=held.pk).update(status="ready")
    SourceHold.objects.all().delete()
    with pytest.raises(DocumentRefused, match="Nothing is to be decided"):
        keep_missing(held, None)


def test_programs_read_the_finding_and_decide(client, workspace, held):
    client.force_login(factories.member(workspace, "editor"))
    address = reverse("api-source", args=[workspace.id, held.pk])
    told = client.get(address).json()["held"]
    assert (told["finding"], told["pageCount"], told["visits"], told["keptAt"]) == ("robots", 6, 1, None)
    keep = reverse("api-source-keep-missing", args=[workspace.id, held.pk])
    assert client.post(keep).json()["held"]["keptAt"]
    remove = reverse("api-source-remove-missing", args=[workspace.id, held.pk])
    assert client.post(remove).json()["held"] is None
    assert client.post(remove).status_code == 400
    assert searchable(held) == 0


def test_the_command_says_what_is_held_and_decides(workspace, site, held, capsys):
    factories.operator()
    asked = ["crawl", site.at("/"), "--workspace", workspace.name]
    call_command(*asked)
    assert "Held. The last visit did not find 6 of 6 pages." in " ".join(capsys.readouterr().out.split())
    call_command(*asked, "--remove-missing")
    assert "6 removed." in capsys.readouterr().out
    with pytest.raises(CommandError, match="Nothing is to be decided"):
        call_command(*asked, "--keep-missing")


def test_operators_find_held_sources_in_the_console_and_decide_about_several(client, held):
    client.force_login(factories.operator())
    assert "?state=held" in client.get(reverse("admin:index")).content.decode()
    listed = reverse("admin:documents_source_changelist")
    assert ">Held</span>" in client.get(f"{listed}?state=held").content.decode()
    chosen = {"action": "remove_missing", "_selected_action": [held.pk]}
    assert "6 pages were removed." in client.post(listed, chosen, follow=True).content.decode()
    assert client.get(f"{listed}?state=held").context["cl"].result_count == 0


# --- feeds ----------------------------------------------------------------------------------------


def test_a_feed_that_is_empty_one_day_keeps_its_posts(workspace, site, visit, visit_again):
    site.pages |= {"/feed": feed_of(item(1), item(2)), "/posts/1": html("One"), "/posts/2": html("Two")}
    found = visit(add_feed(workspace, None, site.at("/feed"), ask_worker=False))
    site.pages["/feed"] = feed_of()
    found = visit_again(found)
    assert (found.status, searchable(found), hold_of(found)) == ("ready", 2, None)


def test_a_visit_that_is_stopped_before_its_end_removes_nothing(site, six_pages, crawl):
    everywhere(site, Page(b"", 404))
    due_again(six_pages)
    crawl(six_pages)
    Address.objects.filter(source=six_pages.pk).update(finding="gone")
    SourceHold.objects.all().delete()
    due_again(six_pages)
    site.robots("User-agent: *\nDisallow: /")
    found = crawl(six_pages)
    assert (searchable(found), hold_of(found).finding) == (6, "robots")
