"""Feeds are polled: each post is read once, from its page or its own text, and errors are reported."""

from xml.sax.saxutils import escape

import pytest
from django.utils import timezone

from documents.ingestion.restart import restart
from documents.models import Document
from documents.parsing.crawled import feed as feeds
from documents.sources.service import add_feed
from tests.documents.parsing import files
from tests.documents.sources.conftest import pages
from tests.fakes.site import Page, html

pytestmark = pytest.mark.django_db(transaction=True)

RSS = "<?xml version='1.0'?><rss version='2.0'><channel><title>News</title>{}</channel></rss>"
ATOM = '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{}</feed>'


def item(number, link=None, text="", guid=None):
    link = f"/posts/{number}" if link is None else link
    guid = guid or f"id-{number}"
    return (
        f"<item><title>Post {number}</title><link>{link}</link><guid isPermaLink='false'>{guid}</guid>"
        f"<description>{escape(text)}</description></item>"
    )


def entry(number, text=""):
    return (
        f'<entry><title>Post {number}</title><id>tag:{number}</id><link href="/posts/{number}"/>'
        f'<content type="html">{escape(text)}</content></entry>'
    )


def feed_of(*items, form=RSS):
    return Page(form.format("".join(items)).encode(), media_type="application/rss+xml")


@pytest.fixture
def add(workspace, site):
    return lambda **options: add_feed(workspace, None, site.at("/feed"), ask_worker=False, **options)


def titles(feed):
    return sorted(Document.objects.filter(parent=feed).values_list("title", flat=True))


def again(feed, crawl):
    restart(feed, None, ask_worker=False)
    return crawl(feed)


@pytest.mark.parametrize(("form", "make"), [(RSS, item), (ATOM, entry)], ids=["RSS", "Atom"])
def test_each_post_becomes_a_document_with_its_page(site, add, visit, form, make):
    site.pages["/feed"] = feed_of(make(1), make(2), form=form)
    site.pages |= {f"/posts/{n}": html(f"The page of post {n}") for n in (1, 2)}
    found = visit(add())
    assert (found.status, found.page_count, found.title) == ("ready", 2, "News"), found.error
    posts = Document.objects.filter(parent=found)
    assert {(each.title, each.kind, each.status) for each in posts} == {
        ("Post 1", "post", "ready"), ("Post 2", "post", "ready"),
    }  # fmt: skip
    assert "The page of post 1" in posts.get(title="Post 1").sections.get().text


def test_a_post_with_characters_that_nothing_stores_keeps_no_other_out(site, add, crawl):
    odd = "<item><title>Odd &#0;one</title><guid>1&#0;</guid><description>Some &#0;words</description></item>"
    site.pages["/feed"] = feed_of(item(1), odd)
    site.pages["/posts/1"] = html("The page of post 1")
    found = crawl(add())
    assert found.status == "ready", found.error
    assert titles(found) == ["Odd one", "Post 1"]


def test_a_feed_that_its_parser_chokes_on_says_so(site, add, crawl):
    site.pages["/feed"] = feed_of("<item><title>Half &#xD800;</title></item>")
    found = crawl(add())
    assert (found.status, "The feed is damaged" in found.error) == ("failed", True), found.error


def test_a_feed_too_large_to_be_read_in_time_says_so(site, add, crawl):
    site.pages["/feed"] = feed_of("<!--" + "x" * feeds.MAX_BYTES + "-->")
    found = crawl(add())
    assert (found.status, "larger than 5.0\xa0MB" in found.error) == ("failed", True), found.error


def test_each_post_is_taken_once(site, add, crawl):
    site.pages["/feed"] = feed_of(item(1))
    site.pages |= {f"/posts/{n}": html(f"Page {n}") for n in (1, 2)}
    found = crawl(add())
    site.pages["/feed"] = feed_of(item(2), item(1), item(1, link="/posts/1?utm_source=feed"))
    found = again(found, crawl)
    assert titles(found) == ["Post 1", "Post 2"]
    assert site.paths().count("/posts/1") == 1
    again(found, crawl)
    assert site.asked[-1][0] == "/feed"
    assert "if-none-match" in site.asked[-1][1]


def test_posts_at_one_address_are_each_taken(site, add, crawl):
    site.pages["/log"] = html("All changes")
    entries = [item(n, link=f"/log#v{n}", text=f"<p>Version {n}.</p>") for n in (1, 2, 3)]
    site.pages["/feed"] = feed_of(entries[1], entries[0])
    found = crawl(add(prefers_own_text=True))
    assert titles(found) == ["Post 1", "Post 2"]
    site.pages["/feed"] = feed_of(*reversed(entries))
    assert titles(again(found, crawl)) == ["Post 1", "Post 2", "Post 3"]
    assert titles(again(found, crawl)) == ["Post 1", "Post 2", "Post 3"]


def test_a_new_post_without_text_has_the_page_of_an_older_one_read_again(site, add, crawl):
    site.pages |= {"/feed": feed_of(item(1, link="/log#v1")), "/log": html("Changes of version 1")}
    found = crawl(add())
    site.pages["/feed"] = feed_of(item(2, link="/log#v2"), item(1, link="/log#v1"))
    site.pages["/log"] = html("Changes of version 2 and version 1")
    found = again(found, crawl)
    with Document.objects.get(parent=found).file.open() as page:
        assert b"version 2" in page.read()
    assert found.source.addresses.get(state="skipped").reason.startswith("It has the same address")
    again(found, crawl)
    assert site.paths().count("/log") == 2


def test_a_post_that_gets_another_name_is_not_taken_twice(site, add, crawl):
    site.pages |= {"/feed": feed_of(item(1, text="<p>Words.</p>")), "/posts/1": html("Page")}
    found = crawl(add())
    site.pages["/feed"] = feed_of(item(1, text="<p>Other words.</p>", guid="another"))
    assert titles(again(found, crawl)) == ["Post 1"]
    assert found.source.pages().count() == 1


def test_posts_that_share_a_name_are_each_taken(site, add, crawl):
    site.pages |= {f"/posts/{n}": html(f"Page {n}") for n in (1, 2, 3)}
    site.pages["/feed"] = feed_of(item(2, guid="same"), item(1, guid="same"))
    found = crawl(add())
    assert (found.status, titles(found)) == ("ready", ["Post 1", "Post 2"]), found.error
    site.pages["/feed"] = feed_of(item(3, guid="same"), item(2, guid="same"), item(1, guid="same"))
    assert titles(again(found, crawl)) == ["Post 1", "Post 2", "Post 3"]


def test_a_post_whose_page_was_away_is_tried_again_at_later_visits(site, add, crawl):
    site.pages |= {"/feed": feed_of(item(1), item(2)), "/posts/1": Page(b"", 503), "/posts/2": Page(b"", 404)}
    found = add()
    while crawl(found).status != "ready":
        found.source.addresses.update(next_try_at=timezone.now())
        Document.objects.filter(pk=found.pk).update(next_attempt_at=timezone.now())
    assert pages(found)["/posts/1"] == pages(found)["/posts/2"] == "failed"
    site.pages["/posts/1"] = html("Page")
    asked = site.paths().count("/posts/2")
    found = again(found, crawl)
    assert titles(found) == ["Post 1"]
    assert site.paths().count("/posts/2") == asked


def test_a_post_keeps_its_document_when_its_address_changes(site, add, crawl):
    site.pages |= {"/feed": feed_of(item(1)), "/posts/1": html("Page"), "/new": html("Page, moved")}
    found = crawl(add())
    site.pages["/feed"] = feed_of(item(1, link="/new"))
    assert titles(again(found, crawl)) == ["Post 1"]


def test_a_posts_own_text_is_taken_when_its_page_cannot_be(site, add, visit):
    site.pages["/feed"] = feed_of(item(1, text="<p>What the feed itself says of it, at some length.</p>"))
    found = visit(add())
    post = Document.objects.get(parent=found)
    assert "What the feed itself says" in post.sections.get().text


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("/minutes.docx", Page(b"PK\x03\x04aaaa", media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document")),
        ("/minutes", Page(b"PK\x03\x04aaaa", media_type="application/octet-stream")),
        ("/episode.mp3", Page(b"ID3\x03\0\0\0" + bytes(range(256)) * 4, media_type="audio/mpeg")),
        ("/film", Page(b"\0\0\0\x18ftypmp42", media_type="video/mp4")),
        ("/picture", Page(b"\x89PNG\r\n\x1a\n", media_type="text/html")),
        ("/private", html("Hidden", head='<meta name="robots" content="noindex">')),
        ("/gone", Page(b"", 410)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_posts_own_text_is_taken_when_its_link_is_no_page(site, add, crawl, name, page):
    notes = "<p>Apply chain oil every three hundred kilometres, and wipe off the rest.</p>"
    site.pages |= {"/feed": feed_of(item(1, link=name, text=notes)), name: page}
    found = crawl(add())
    assert (found.status, titles(found)) == ("ready", ["Post 1"])
    with Document.objects.get(parent=found).file.open() as file:
        assert b"three hundred kilometres" in file.read()


def test_a_recording_without_a_page_keeps_its_notes_and_a_pdf_is_read(site, add, crawl):
    sound = "<item><title>Talk</title><enclosure url='/talk.mp3' type='audio/mpeg'/><description>Notes.</description></item>"
    paper = "<item><title>Paper</title><enclosure url='/paper.pdf' type='application/pdf'/></item>"
    site.pages["/feed"] = feed_of(sound, paper)
    site.pages["/paper.pdf"] = Page(files.pdf("The annual report"), media_type="application/pdf")
    found = crawl(add())
    assert titles(found) == ["Paper", "Talk"]
    assert site.paths() == ["/feed", "/paper.pdf"]


def test_a_posts_own_text_is_taken_when_that_is_preferred(site, add, crawl):
    site.pages["/feed"] = feed_of(item(1, text="<p>Its own text.</p>"), item(2))
    site.pages["/posts/2"] = html("Page of 2")
    found = crawl(add(prefers_own_text=True))
    assert titles(found) == ["Post 1", "Post 2"]
    assert site.paths() == ["/feed", "/posts/2"]


def test_a_post_without_an_address_lives_in_its_feed(site, add, crawl):
    site.pages["/feed"] = feed_of(item(1, link="", text="<p>Only here.</p>"), item(2, link=""))
    found = crawl(add())
    assert titles(found) == ["Post 1"]
    assert found.source.troubles().get().reason == "It has no address and no text."


def test_a_posts_page_that_robots_txt_keeps_is_not_fetched(site, add, crawl):
    site.robots("User-agent: *\nDisallow: /posts/")
    site.pages |= {"/feed": feed_of(item(1)), "/posts/1": html("Secret")}
    found = crawl(add())
    assert "/posts/1" not in site.paths()
    assert (found.status, titles(found)) == ("ready", [])


def test_a_script_in_a_feed_is_only_text_of_a_document(site, add, visit):
    text = "<p>A paragraph that is long enough to be kept.</p><script>alert(1)</script>"
    site.pages["/feed"] = feed_of(item(1, text=text))
    found = visit(add(prefers_own_text=True))
    assert "alert" not in Document.objects.get(parent=found).sections.get().text


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss version="2.0"><channel>&b;</channel></rss>'


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (html("A page"), "neither an RSS nor an Atom feed"),
        (Page(BOMB.encode()), "defines XML entities"),
        (Page(b"", 404), "no such page"),
        (Page(b"", 403), "requires a login"),
    ],
    ids=["a page", "a bomb", "404", "403"],
)
def test_what_is_wrong_with_a_feed_is_said(site, add, crawl, page, sentence):
    site.pages["/feed"] = page
    found = crawl(add())
    assert found.status == "failed"
    assert found.error.startswith("The feed could not be read.")
    assert sentence in found.error


def test_a_feed_that_is_broken_for_a_while_keeps_its_posts(site, add, crawl):
    site.pages |= {"/feed": feed_of(item(1)), "/posts/1": html("Page")}
    found = crawl(add())
    site.pages["/feed"] = Page(b"", 404)
    found = again(found, crawl)
    assert (found.status, titles(found)) == ("failed", ["Post 1"])
    site.pages["/feed"] = feed_of(item(1), item(2, text="<p>New</p>"))
    found = again(found, crawl)
    assert (found.status, titles(found)) == ("ready", ["Post 1", "Post 2"])
