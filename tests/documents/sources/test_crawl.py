"""Crawls of a real web server: the crawler reads exactly the allowed pages, each once, whatever happens."""

import gzip
import signal
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from documents.errors import DocumentRefused
from documents.ingestion.deletion import delete_document
from documents.ingestion.ingest import ingest
from documents.ingestion.restart import restart
from documents.models import Document, Source
from documents.sources.crawl import crawler, sitemap
from documents.sources.options import change_options
from documents.sources.schedule import start_due_visits, stop_visit
from documents.sources.service import add_website
from tests.documents.conftest import embedded
from tests.documents.ingestion.test_ingest import rows
from tests.documents.parsing import files
from tests.documents.sources.conftest import pages
from tests.fakes.site import Page, html, moved, packed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def add(workspace, site):
    def add(path="/", **options):
        return add_website(workspace, None, site.at(path), ask_worker=False, **options)

    return add


def reasons(document):
    return {
        "/" + each.url.split("/", 3)[3]: each.reason for each in document.source.addresses.exclude(reason="")
    }


def soon(document):
    """Make the retries due now."""
    document.source.addresses.update(next_try_at=timezone.now())
    Document.objects.filter(pk=document.pk, status="pending").update(next_attempt_at=timezone.now())


def due_again(document):
    """Start another visit, as the button on the source's page does."""
    restart(document, None, ask_worker=False)


def test_a_site_becomes_one_document_with_a_sub_document_for_each_page(workspace, site, add, visit):
    site.pages |= {
        "/": html("Welcome", "/a", "/b#part", "mailto:x@example.org", title="Home"),
        "/a": html("Apples", "/", "/b?utm_source=x"),
        "/b": html("Pears"),
    }
    found = visit(add())
    assert (found.status, found.page_count) == ("ready", 3), found.error
    assert pages(found) == {"/": "done", "/a": "done", "/b": "done"}
    assert sorted(site.paths()) == ["/", "/a", "/b"]
    assert found.title == "Home"
    children = Document.objects.filter(parent=found)
    assert {(each.title, each.kind, each.status) for each in children} == {
        ("Home", "page", "ready"), ("Apples", "page", "ready"), ("Pears", "page", "ready"),
    }  # fmt: skip
    text = children.get(title="Apples").sections.get().text
    assert "Apples" in text
    assert "/b" not in text, "menus are left out"
    workspace.refresh_from_db()
    assert workspace.document_count == 4


# --- which pages are read -----------------------------------------------------------------------


def test_robots_txt_is_obeyed_also_behind_a_redirect(site, add, crawl):
    site.robots("User-agent: *\nDisallow: /private/\nAllow: /private/open")
    site.pages |= {
        "/": html("Start", "/private/secret", "/private/open", "/way"),
        "/way": moved("/private/secret"),
        "/private/open": html("Open"),
        "/private/secret": html("Secret"),
    }
    found = crawl(add())
    assert pages(found) == {
        "/": "done",
        "/private/open": "done",
        "/private/secret": "skipped",
        "/way": "skipped",
    }
    assert "/private/secret" not in site.paths()
    assert reasons(found)["/private/secret"] == "The site's robots.txt does not allow it."


@pytest.mark.parametrize(
    "answer", [Page(b"", 503), Page(b"", 500), Page(b"", 429)], ids=["503", "500", "429"]
)
def test_a_site_whose_robots_txt_cannot_be_had_waits(site, add, crawl, answer):
    site.pages |= {"/": html("Start"), "/robots.txt": answer}
    found = crawl(add())
    assert (found.status, found.attempt) == ("pending", 1)
    assert "robots.txt could not be fetched" in found.error
    assert site.paths() == []


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /private/\r\n",
        "User-agent: *\nDisallow: /private/\n".encode("utf-16"),
        b"User-agent: *\rDisallow: /private/\r",
        b"# ours\n\nUSER-AGENT:*\nDISALLOW :/private/ # all of it",
        b"User-agent: ragsite/0.1\nDisallow: /private/\n\nUser-agent: *\nDisallow:",
        b"User-agent: Other\nUser-agent: Ragsite\nDisallow: /*/salaries$\n",
        b"\xe4\xfd binary rubbish\nUser-agent: *\nDisallow: /private/",
    ],
    ids=["byte order mark", "UTF-16", "old Mac lines", "case", "version", "wildcard", "rubbish before"],
)
def test_an_odd_robots_txt_is_obeyed(site, add, crawl, body):
    site.pages |= {"/robots.txt": Page(body, media_type="text/plain"), "/private/salaries": html("Secret")}
    site.pages |= {"/": html("Start", "/private/salaries", "/public"), "/public": html("Public")}
    assert pages(crawl(add())) == {"/": "done", "/private/salaries": "skipped", "/public": "done"}
    assert "/private/salaries" not in site.paths()


def test_without_a_robots_txt_everything_may_be_read(site, add, crawl):
    site.pages["/"] = html("Start")
    assert crawl(add()).status == "ready"


def test_a_crawl_delay_is_kept_between_requests(site, add, crawl):
    site.robots("User-agent: *\nCrawl-delay: 0.3")
    times = []

    def timed(headers):
        times.append(time.monotonic())
        return html(f"Page {len(times)}", "/1", "/2")

    site.pages |= dict.fromkeys(("/", "/1", "/2"), timed)
    crawl(add())
    assert len(times) == 3
    assert min(after - before for before, after in pairwise(times)) >= 0.3


def test_sitemaps_are_read_with_their_index_and_packed_ones(site, add, crawl):
    site.robots(f"Sitemap: {site.url}/index.xml")
    site.sitemap("/index.xml", "/one.xml", "/two.xml.gz", of="sitemap")
    site.sitemap("/one.xml", "/a", "/private")
    site.sitemap("/two.xml.gz", "/b", "/a")
    site.pages["/two.xml.gz"] = Page(packed(site.pages["/two.xml.gz"]).body, media_type="application/gzip")
    site.robots(f"User-agent: *\nDisallow: /private\nSitemap: {site.url}/index.xml")
    site.pages |= {"/": html("Start"), "/a": html("A"), "/b": html("B")}
    found = crawl(add())
    assert {path for path, state in pages(found).items() if state == "done"} >= {"/", "/a", "/b"}
    assert found.page_count == 3


def test_the_start_address_may_be_a_sitemap(site, add, crawl):
    site.sitemap("/sitemap.xml", "/a", "/b")
    site.pages |= {"/a": html("A", "/c"), "/b": html("B"), "/c": html("C")}
    found = crawl(add("/sitemap.xml", follows_links=False))
    assert pages(found) == {"/sitemap.xml": "done", "/a": "done", "/b": "done"}
    assert found.page_count == 2


_URLSET = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>%s/a?x=1&amp;y=2</loc></url></urlset>'


@pytest.mark.parametrize(
    "form",
    [
        lambda xml: f'\n\n<?xml version="1.0" encoding="UTF-8"?>\n{xml}'.encode(),
        lambda xml: f'\ufeff<?xml version="1.0"?>{xml}'.encode(),
        lambda xml: f"\ufeff\n <?xml version='1.0'?>{xml}".encode(),
        lambda xml: f'Warning: mail() failed\n<?xml version="1.0"?>{xml}'.encode(),
        lambda xml: f"<!-- made by a plugin -->\n<?xml version='1.0'?>{xml}".encode(),
        lambda xml: f"<?xml version='1.0' encoding='utf-16'?>{xml}".encode("utf-16"),
        lambda xml: f"<?xml version='1.0' encoding='iso-8859-1'?><!-- é -->{xml}".encode("latin-1"),
        lambda xml: xml.replace("&amp;", "&").encode(),
        lambda xml: gzip.compress(f"\n<?xml version='1.0'?>{xml}".encode()),
        lambda xml: gzip.compress(xml.encode()) + b"\0" * 32,
    ],
    ids=[
        "blank lines",
        "mark",
        "mark and line",
        "notice",
        "comment",
        "UTF-16",
        "Latin-1",
        "bare &",
        "packed",
        "padded",
    ],
)
def test_an_odd_sitemap_is_read(site, add, crawl, form):
    site.robots(f"Sitemap: {site.url}/sitemap.xml")
    site.pages["/sitemap.xml"] = Page(form(_URLSET % site.url), media_type="application/xml")
    site.pages |= {"/": html("Start"), "/a?x=1&y=2": html("Listed only there")}
    assert pages(crawl(add()))["/a?x=1&y=2"] == "done"


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<urlset><url><loc>&b;</loc></url></urlset>"""
FILE = (
    b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><urlset><url><loc>/&a;</loc></url></urlset>"""
)


@pytest.mark.parametrize(
    "body", [BOMB, FILE, b"<urlset><url>", b"\x1f\x8b broken"], ids=["bomb", "file", "torn", "gzip"]
)
def test_a_bad_sitemap_is_said_and_the_rest_is_read(site, add, crawl, body):
    site.robots(f"Sitemap: {site.url}/sitemap.xml")
    site.pages |= {"/": html("Start"), "/sitemap.xml": Page(body, media_type="application/xml")}
    found = crawl(add())
    soon(found)
    found = crawl(found)
    soon(found)
    found = crawl(found)
    assert (found.status, found.page_count) == ("ready", 1)
    assert [each.role for each in found.source.troubles()] == ["sitemap"]


@pytest.mark.parametrize(
    "body",
    [b"<urlset>" + b"<a/>" * 1_100 + b"</urlset>", b"<urlset>" + b"<a>" * 1_000 + b"</a>" * 1_000],
    ids=["wide", "deep"],
)
def test_a_sitemap_made_to_fill_the_memory_is_refused(site, add, crawl, body, monkeypatch):
    monkeypatch.setattr(sitemap, "_MAX_ELEMENTS", 1_000)  # a million take a while
    site.pages["/sitemap.xml"] = Page(gzip.compress(body), media_type="application/gzip")
    found = crawl(add("/sitemap.xml", follows_links=False))
    assert (found.status, "more elements, or deeper ones" in found.error) == ("failed", True), found.error


def test_a_large_sitemap_is_read_entry_by_entry(site, add, crawl):
    image = b"<image><loc>http://example.org/a.png</loc></image>"
    entry = b"<url><loc>%s/a</loc>" % site.url.encode() + image * 10 + b"</url>"
    body = b"<urlset>" + entry * 3_000 + b"</urlset>"
    site.pages |= {"/sitemap.xml": Page(gzip.compress(body), media_type="application/gzip"), "/a": html("A")}
    assert pages(crawl(add("/sitemap.xml", follows_links=False))) == {"/sitemap.xml": "done", "/a": "done"}


def test_a_title_that_never_ends_does_not_hold_up_the_crawl(site, add, crawl):
    site.pages["/"] = Page(b"<title>" + b"a<b>" * 300_000 + b"</title><p>Some text that is worth reading.")
    began = time.monotonic()
    found = crawl(add())
    assert (found.status, found.page_count) == ("ready", 1)
    assert time.monotonic() - began < 30  # copying the title for each of its pieces took minutes


def test_markup_that_no_parser_knows_does_not_stop_the_crawl(site, add, crawl):
    odd = b"<html><body><![foo[ bar ]]><![ if x]><p>Words enough to be a page.</p><a href='/b'>b</a></body></html>"
    site.pages |= {"/": html("Start", "/a", "/c"), "/a": Page(odd), "/b": html("B"), "/c": html("C")}
    found = crawl(add())
    assert pages(found) == {"/": "done", "/a": "done", "/b": "done", "/c": "done"}, found.error


def test_headers_in_no_encoding_do_not_stop_the_crawl(site, add, crawl):
    odd = {"Last-Modified": "\xe9t\xe9", "X-Robots-Tag": "\xff"}
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    site.pages["/a"].headers.update(odd)
    found = crawl(add())
    assert (found.status, found.page_count) == ("ready", 2), found.error


def test_links_stay_on_the_host_and_within_the_patterns(site, add, crawl):
    site.pages |= {
        "/docs/": html("Start", "/docs/a", "/docs/old/b", "/blog/c", "https://example.org/", "/docs/a.jpg"),
        "/docs/a": html("A"),
    }
    found = crawl(add("/docs/", is_below_start=True, exclude=["/docs/old/*"]))
    assert pages(found) == {"/docs/": "done", "/docs/a": "done"}


def test_only_what_fits_a_pattern_to_include_is_read(site, add, crawl):
    site.pages |= {
        "/": html("Start", "/a.html", "/b.html?x=1", "/c"),
        "/a.html": html("A"),
        "/b.html?x=1": html("B"),
    }
    found = crawl(add(include=["*.html", "*x=1"]))
    assert pages(found) == {"/": "done", "/a.html": "done", "/b.html?x=1": "done"}


def test_no_link_is_followed_when_nobody_wants_it(site, add, crawl):
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    assert pages(crawl(add(follows_links=False))) == {"/": "done"}


def test_a_trap_of_endless_links_ends_at_the_limits(site, add, crawl):
    site.pages |= {f"/day/{n}": html(f"Day {n}", f"/day/{n + 1}") for n in range(50)}
    deep = crawl(add("/day/0", max_depth=3))
    assert len(pages(deep)) == 4
    many = crawl(add("/day/1", max_pages=5))
    assert list(pages(many).values()).count("done") == 5
    assert "limit of 5 pages" in reasons(many)["/day/6"]


def test_a_page_has_one_document_however_many_addresses_it_has(site, add, crawl):
    site.pages |= {
        "/": html("Start", "/copy", "/same?session=1", "/moved", "/index.html"),
        "/copy": html("Copy", head='<link rel="canonical" href="/real">'),
        "/same?session=1": html("Real"),
        "/real": html("Real"),
        "/other": html("Other"),
        "/moved": moved("/other", 301),
        "/index.html": html("Start", "/copy", "/same?session=1", "/moved", "/index.html"),
    }
    found = crawl(add())
    titles = Document.objects.filter(parent=found).values_list("title", flat=True)
    assert sorted(titles) == ["Other", "Real", "Start"]
    assert list(pages(found).values()).count("done") == 3
    assert "Its canonical address is" in reasons(found)["/copy"]


def own(path):
    return f'<link rel="canonical" href="{path}">'


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ({"/a": moved("/a/", 301), "/a/": html("A", head=own("/a"))}, "/a/"),
        ({"/a": moved("/b"), "/b": moved("/a/"), "/a/": html("A", head=own("/b"))}, "/a/"),
        ({"/a": html("A", head=own("/none"))}, "/a"),
        ({"/a": html("A", head=own("/b")), "/b": html("B", head=own("/a"))}, "/b"),
        (
            {
                "/a": html("A", head=own("/b")),
                "/b": html("B", head=own("/c")),
                "/c": html("C", head=own("/a")),
            },
            "/c",
        ),
        (
            {"/a": html("A", head=own("/b")), "/b": html("B", head=own("/c")), "/c": html("C")},
            "/c",
        ),
        ({"/a": html("A", head=own("/b")), "/b": moved("/c"), "/c": html("C")}, "/c"),
    ],
    ids=[
        "a redirect",
        "two redirects",
        "nowhere",
        "each other",
        "in a circle",
        "twice",
        "a redirect from it",
    ],
)
def test_a_page_whose_own_address_leads_back_or_nowhere_is_kept_once(site, add, crawl, there, kept):
    site.pages |= {"/": html("Start", "/a"), **there}
    found = crawl(add())
    children = Document.objects.filter(parent=found).exclude(url=site.at("/"))
    assert [each.url for each in children] == [site.at(kept)], pages(found)


def test_a_page_whose_own_address_leads_back_stays_at_the_next_visit(site, add, crawl):
    site.pages |= {
        "/": html("Start", "/a/", "/a"),
        "/a/": html("A", head=own("/a")),
        "/a": moved("/a/"),
    }
    found = crawl(add())
    kept = Document.objects.get(url=site.at("/a/"))
    site.pages["/a/"] = html("Changed", head=own("/a"))
    due_again(found)
    found = crawl(found)
    now = Document.objects.get(url=site.at("/a/"))
    assert now.created_at == kept.created_at, "it was never away"
    assert now.title == "Changed"


def test_pages_that_ask_not_to_be_kept_are_not_and_their_links_count(site, add, crawl):
    site.pages |= {
        "/": html("Start", "/noindex", "/header", "/nofollow"),
        "/noindex": html("No", "/found", head='<meta name="robots" content="noindex">'),
        "/header": Page(html("No").body, headers={"X-Robots-Tag": "noindex"}),
        "/nofollow": html("Yes", "/hidden", head='<meta name="ROBOTS" content="NOFOLLOW">'),
        "/found": html("Found"),
        "/hidden": html("Hidden"),
    }
    found = crawl(add())
    assert pages(found) == {
        "/": "done", "/noindex": "skipped", "/header": "skipped", "/nofollow": "done", "/found": "done",
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "0;/target",
        "0; URL='/target'",
        '3, url = "/target" ',
        "0.5 /target",
        ".5;url=/target",
        "0;\nurl=/target",
    ],
)
def test_a_page_that_refreshes_to_another_leads_there(site, add, crawl, content):
    head = f"<meta http-equiv=Refresh content='{content}'>" if "'" not in content else ""
    head = head or f'<meta http-equiv=Refresh content="{content}">'
    site.pages |= {"/": Page(f"<html><head>{head}<title>Moved</title></head><body></body></html>".encode())}
    site.pages["/target"] = html("There")
    assert pages(crawl(add())) == {"/": "done", "/target": "done"}


def test_a_refresh_header_leads_to_the_next_page(site, add, crawl):
    site.pages |= {"/": html("Start"), "/next": html("Next")}
    site.pages["/"].headers["Refresh"] = "5; url=/next"
    assert pages(crawl(add())) == {"/": "done", "/next": "done"}


def test_a_page_that_reloads_itself_leads_nowhere(site, add, crawl):
    site.pages["/"] = html("News", head="<meta http-equiv=refresh content=30>")
    assert pages(crawl(add())) == {"/": "done"}


_TABLE = b"part,price\nvalve,12\n"
_OCTETS = "application/octet-stream"


def test_files_that_an_upload_reads_are_read(site, add, visit):
    linked = {
        "/report.pdf": Page(files.pdf("The annual report"), media_type="application/pdf"),
        "/plan%20B.docx": Page(files.docx(), media_type="application/vnd.ms-word.document.12"),
        "/talk.pptx": Page(files.pptx(), media_type="application/zip"),
        "/stock.xlsx": Page(files.xlsx(), media_type=_OCTETS),
        "/slides.odp": Page(files.odp(content="Otters"), media_type="application/vnd.oasis.opendocument.presentation"),
        "/prices.csv": Page(_TABLE, media_type="application/vnd.ms-excel"),
        "/download?id=7": Page(
            "Größe der Otter".encode("latin-1"), media_type="text/plain; charset=iso-8859-1",
            headers={"Content-Disposition": "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fen.txt"},
        ),
    }  # fmt: skip
    site.pages |= {"/": html("Start", *linked), **linked}
    found = visit(add())
    assert pages(found) == dict.fromkeys(["/", *linked], "done")
    read = {each.title: each for each in Document.objects.filter(parent=found)}
    assert {title: each.status for title, each in read.items()} == dict.fromkeys(
        [
            "Start",
            "report.pdf",
            "plan B.docx",
            "talk.pptx",
            "stock.xlsx",
            "slides.odp",
            "prices.csv",
            "Größen.txt",
        ],
        "ready",
    )
    assert read["prices.csv"].sections.get().text == "| part | price |\n| valve | 12 |"
    assert read["Größen.txt"].sections.get().text == "Größe der Otter"


def test_other_files_are_left_out_and_named(site, add, visit):
    site.pages |= {
        "/": html(
            "Start", "/data", "/feed.json", "/picture", "/all.zip", "/all.tar.gz", "/cut.docx", "/packed"
        ),
        "/data": Page(b"\0" * 100, media_type=_OCTETS),
        "/picture": Page(files.picture("Words"), media_type="image/png"),
        "/cut.docx": Page(files.docx()[:300], media_type=_OCTETS),
        "/packed": Page(files.archive({"a.txt": "x"}), media_type=_OCTETS),
    }
    found = visit(add())
    assert pages(found) == {
        "/": "done", "/data": "failed", "/picture": "failed", "/cut.docx": "failed", "/packed": "failed",
        "/all.zip": "skipped", "/all.tar.gz": "skipped",
    }  # fmt: skip
    said = reasons(found)
    assert all(
        "Only web pages, PDF, Office and text files" in said[path]
        for path in ("/data", "/picture", "/packed")
    )
    assert "damaged" in said["/cut.docx"]
    assert "(.zip)" in said["/all.zip"]
    assert "(.gz)" in said["/all.tar.gz"]
    assert not {"/all.zip", "/all.tar.gz", "/feed.json"} & set(site.paths())


def test_an_office_file_larger_than_a_page_may_be_is_not_read(site, add, visit, settings):
    settings.CRAWL_PAGE_MAX_BYTES = len(files.docx()) - 1
    site.pages |= {"/": html("Start", "/a.docx"), "/a.docx": Page(files.docx(), media_type=_OCTETS)}
    assert "the most that Ragsite reads" in reasons(visit(add()))["/a.docx"]


def test_a_page_at_the_address_of_a_file_is_a_page(site, add, visit):
    site.pages |= {
        "/": html("Start", "/a.docx", "/b.txt"),
        "/a.docx": html("Log in first"),
        "/b.txt": html("Notes"),
    }
    found = visit(add())
    assert {each.media_type for each in Document.objects.filter(parent=found)} == {"text/html"}


@pytest.mark.parametrize(
    ("head", "encoding", "media_type"),
    [
        ("", "utf-8", "text/html; charset=utf-8"),
        ("", "koi8-r", "text/html; charset=koi8-r"),
        ('<meta charset="windows-1251">', "windows-1251", "text/html"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-5">',
            "iso-8859-5",
            "text/html",
        ),
        ("", "utf-8-sig", "text/html; charset=iso-8859-1"),
    ],
    ids=["the header, utf-8", "the header, another", "meta", "old meta", "the byte order mark wins"],
)
def test_pages_are_read_in_their_own_encoding(site, add, visit, head, encoding, media_type):
    words = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. " * 5
    markup = f"<html><head>{head}</head><body><p>{words}</p></body></html>"
    site.pages["/"] = Page(markup.encode(encoding), media_type=media_type)
    found = visit(add())
    assert "Широкая электрификация" in Document.objects.get(parent=found).sections.get().text


@pytest.mark.parametrize(
    ("label", "encoding", "words"),
    [
        ("gb2312", "gbk", "朱镕基路店出售自行车，每辆四百元，喆先生负责维修。"),
        ("x-gbk", "gb18030", "自行车保修三年，营业时间为每天九点到十八点。"),
        ("iso-8859-1", "cp1252", "Das Rad kostet 450 € und der „Frühlingscheck“ im März 39 €."),
        ("us-ascii", "cp1252", "Das Rad kostet 450 € – im März günstiger."),
        ("iso-8859-9", "cp1254", "Ücret “450 €”, bakım şubat ayında ücretsizdir."),
        ("Shift_JIS", "cp932", "㈱髙橋自転車①の修理料金は一回三千円です。"),
        ("x-sjis", "cp932", "営業時間は九時から十八時までで、①予約は不要です。"),
        ("euc-kr", "cp949", "똠방각하 자전거의 수리 요금은 삼만 원입니다. 펲시콜라도 있습니다."),
        ("big5", "big5hkscs", "自行車的修理費用是四百元，保固三年，着裝不限。"),
        ("tis-620", "cp874", "ค่าซ่อมจักรยานสามร้อยบาท “รับประกัน” สามปี"),
        ("windows-1251", "cp1251", "Ремонт велосипеда стоит 450 рублей."),
        ("iso-8859-8-i", "iso8859-8", "תיקון האופניים עולה ארבע מאות שקלים."),
    ],
)
@pytest.mark.parametrize("place", ["header", "meta"])
def test_labels_of_encodings_mean_what_browsers_take_them_for(
    site, add, crawl, place, label, encoding, words
):
    meta = f"<meta charset={label}>" if place == "meta" else ""
    markup = f"<html><head>{meta}<title>{words}</title></head><body><main><p>{words}</p><p>{words}</p></main></body></html>"
    media_type = "text/html" if place == "meta" else f"text/html; charset={label}"
    site.pages["/"] = Page(markup.encode(encoding), media_type=media_type)
    found = crawl(add())
    assert Document.objects.get(parent=found).title == words


@pytest.mark.parametrize(
    ("language", "encoding", "words"),
    [("tr", "cp1254", "Işık şişesi"), ("el", "iso8859-7", "Επισκευή")],
)
def test_the_title_and_the_text_of_a_page_are_decoded_alike(site, add, visit, language, encoding, words):
    markup = (
        f"<html><head><title>{words}</title></head><body><main><p>{words}: {words}.</p></main></body></html>"
    )
    site.pages["/"] = Page(markup.encode(encoding), media_type="text/html")
    found = add()
    Document.objects.filter(pk=found.pk).update(language=language, is_language_chosen=True)
    visit(found)
    page = Document.objects.get(parent=found)
    assert (page.title, page.sections.get().text) == (words, f"{words}: {words}.")


def test_a_header_that_cannot_be_true_does_not_spoil_the_page(site, add, crawl):
    words = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства."
    markup = (
        f"<html><head><meta charset=koi8-r><title>{words}</title></head><body><p>{words}</p></body></html>"
    )
    site.pages["/"] = Page(markup.encode("koi8-r"), media_type="text/html; charset=utf-8")
    assert Document.objects.get(parent=crawl(add())).title == words


# --- errors -------------------------------------------------------------------------------------


def test_a_crawl_with_failed_pages_says_which_and_why(site, add, crawl, settings):
    settings.CRAWL_TIMEOUT_S, settings.CRAWL_PAGE_MAX_BYTES = 1, 100_000
    site.pages |= {
        "/": html("Start", "/missing", "/gone", "/login", "/loop", "/huge", "/broken", "/slow", "/fine"),
        "/gone": Page(b"", 410),
        "/login": Page(b"", 403),
        "/loop": moved("/loop"),
        "/huge": Page(b"<html>" + b"x" * 200_000),
        "/broken": Page(b"", 500),
        "/slow": Page(b"late", wait_s=2),
        "/fine": html("Fine"),
    }
    found = add()
    for _ in range(3):
        found = crawl(found)
        soon(found)
    assert (found.status, found.page_count) == ("ready", 2)
    said = reasons(found)
    assert "no such page (status 404)" in said["/missing"]
    assert "no such page (status 410)" in said["/gone"]
    assert "requires a login" in said["/login"]
    assert "in a circle" in said["/loop"]
    assert "larger than" in said["/huge"]
    assert "reports an error (status 500)" in said["/broken"]
    assert "longer than 1 seconds" in said["/slow"]
    assert found.source.counts()["failed"] == 7
    assert site.paths().count("/broken") == 3, "what may pass is tried again"
    assert site.paths().count("/missing") == 1


def test_a_site_without_any_page_fails_with_the_reason(site, add, crawl):
    site.pages["/"] = Page(b"", 404)
    found = crawl(add())
    assert found.status == "failed"
    assert "No page could be read" in found.error
    assert "status 404" in found.error


def test_a_page_without_text_fails_alone(site, add, visit):
    site.pages |= {
        "/": html("Start", "/empty"),
        "/empty": Page(b"<html><body><script>app()</script></body></html>"),
    }
    found = visit(add())
    assert found.status == "ready"
    empty = Document.objects.get(parent=found, url=site.at("/empty"))
    assert (empty.status, "JavaScript" in empty.error) == ("failed", True)
    assert [each.url for each in found.source.troubles()] == [site.at("/empty")]


# --- further visits -----------------------------------------------------------------------------


def test_a_second_visit_fetches_what_changed_and_removes_what_is_gone(
    workspace, site, add, visit, embeddings
):
    site.pages |= {"/": html("Start", "/a", "/b", "/c"), "/a": html("A"), "/b": html("B"), "/c": html("C")}
    found = visit(add())
    before = {each.url: each.pk for each in Document.objects.filter(parent=found)}
    embeddings.requests.clear()
    site.asked.clear()
    site.pages["/b"] = html("B, but new words")
    site.pages["/c"] = Page(b"", 410)
    due_again(found)
    found = visit(found)
    assert pages(found) == {"/": "done", "/a": "done", "/b": "done", "/c": "gone"}
    assert sorted(site.paths()) == ["/", "/a", "/b", "/c"]
    assert all("if-none-match" in headers for path, headers in site.asked if path != "/robots.txt")
    assert len(embedded(embeddings)) == 1, "only the changed page is embedded again"
    children = {each.url: each.pk for each in Document.objects.filter(parent=found)}
    assert children == {url: pk for url, pk in before.items() if not url.endswith("/c")}
    assert "new words" in Document.objects.get(url=site.at("/b")).sections.get().text
    workspace.refresh_from_db()
    assert workspace.document_count == 4
    assert workspace.chunk_count == sum(Document.objects.values_list("chunk_count", flat=True))
    assert workspace.size_bytes == sum(Document.objects.values_list("size_bytes", flat=True))


def test_the_old_version_is_found_until_the_new_one_is_ready(workspace, site, add, visit):
    site.pages["/"] = html("Old words")
    found = visit(add())
    chunks = rows(workspace)
    site.pages["/"] = html("New words")
    due_again(found)
    crawler.crawl(found.pk, lambda document_id: None)
    child = Document.objects.get(parent=found)
    assert child.status == "pending"
    assert "Old words" in child.sections.get().text
    assert rows(workspace) == chunks
    ingest(child.pk)
    assert "New words" in child.sections.get().text
    assert rows(workspace) != chunks


def test_a_page_whose_file_was_gone_has_the_new_one(site, add, visit):
    site.pages["/"] = html("Old words")
    found = visit(add())
    child = Document.objects.get(parent=found)
    child.file.storage.delete(str(child.file.name))
    site.pages["/"] = html("New words")
    due_again(found)
    visit(found)
    child.refresh_from_db()
    assert child.status == "ready", child.error


def test_a_page_that_fails_the_second_time_stays_searchable(site, add, visit):
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    found = visit(add())
    site.pages["/a"] = Page(b"", 403)
    due_again(found)
    found = visit(found)
    assert pages(found)["/a"] == "failed"
    assert Document.objects.get(url=site.at("/a")).status == "ready"


def test_pages_beyond_a_limit_that_was_lowered_go_at_the_next_visit(workspace, site, add, visit):
    site.pages |= {"/": html("Start", "/a", "/b", "/c"), "/a": html("A"), "/b": html("B"), "/c": html("C")}
    found = visit(add())
    change_options(found, None, max_pages=2)
    due_again(found)
    found = visit(found)
    assert pages(found) == {"/": "done", "/a": "done", "/b": "skipped", "/c": "skipped"}
    assert (found.source.counts()["ready"], found.page_count) == (2, 2)
    workspace.refresh_from_db()
    assert workspace.document_count == Document.objects.count() == 3
    assert workspace.chunk_count == len(rows(workspace))


def test_a_site_that_cannot_be_read_at_first_is_looked_at_again_on_its_schedule(site, add, crawl):
    site.pages["/robots.txt"] = Page(b"", 500)
    found = add(schedule="daily")
    while crawl(found).status != "failed":
        soon(found)
    site.pages |= {"/robots.txt": Page(b"", 404), "/": html("Start")}
    assert Source.objects.get().next_visit_at > timezone.now()
    Source.objects.update(next_visit_at=timezone.now())
    assert list(start_due_visits()) == [found.pk]
    assert crawl(found).status == "ready"


def test_a_schedule_starts_the_next_visit(site, add, visit):
    site.pages["/"] = html("Start")
    found = visit(add(schedule="daily"))
    assert list(start_due_visits()) == []
    Source.objects.update(next_visit_at=timezone.now())
    assert list(start_due_visits()) == [found.pk]
    site.pages["/"] = html("Changed")
    assert visit(found).status == "ready"
    assert "Changed" in Document.objects.get(parent=found).sections.get().text
    next_visit = Source.objects.get().next_visit_at
    assert timedelta(hours=23) < next_visit - timezone.now() <= timedelta(days=1)


def test_a_visit_that_could_not_be_begun_is_not_missed(site, add, visit):
    site.pages["/"] = html("Start")
    found = visit(add(schedule="weekly"))
    Source.objects.update(next_visit_at=timezone.now())

    def away(execute, sql, *more):
        if sql.startswith('UPDATE "documents_document"'):
            raise OperationalError("the database is away")
        return execute(sql, *more)

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        list(start_due_visits())
    assert list(start_due_visits()) == [found.pk]


def test_the_same_start_address_again_is_the_site_we_have(site, add):
    assert add("/docs").pk == add("/docs#part").pk
    assert Document.objects.count() == 1


@pytest.mark.parametrize(
    "options",
    [{"max_pages": 0}, {"max_pages": 10**9}, {"max_depth": -1}, {"exclude": ["docs"]}, {"include": ["/x"] * 51},
     {"schedule": "yearly"}, {"language": "xx"}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(add, options):
    with pytest.raises(DocumentRefused):
        add(**options)


# --- stopped, deleted, killed -------------------------------------------------------------------


def test_a_visit_that_is_stopped_keeps_what_it_has_read(site, add, crawl):
    document = add()

    def press_stop(headers):
        assert stop_visit(document, None)
        return html("Too late")

    site.pages |= {"/": html("Start", "/a"), "/a": press_stop}
    found = crawl(document)
    assert (found.status, found.error) == ("ready", "")
    assert [each.title for each in Document.objects.filter(parent=found)] == ["Start"]
    site.pages["/a"] = html("In time")
    due_again(found)
    assert crawl(found).page_count == 2


def test_deleting_a_site_removes_its_pages_from_everywhere(workspace, site, add, visit, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    site.pages |= {"/": html("Start", "/a"), "/a": html("A")}
    found = visit(add())
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2
    delete_document(found, None)
    assert not Document.objects.exists()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.chunk_count, workspace.size_bytes) == (0, 0, 0)
    assert rows(workspace) == []


def test_a_site_deleted_while_it_is_crawled_leaves_nothing(workspace, site, add, crawl):
    document = add()

    def delete(headers):
        delete_document(document, None)
        return html("Too late")

    site.pages |= {"/": html("Start", "/a"), "/a": delete}
    while crawler.crawl(document.pk, lambda document_id: None):
        pass
    assert not Document.objects.exists()


def test_a_long_crawl_gives_way_to_others_and_goes_on(site, add, monkeypatch):
    monkeypatch.setattr(crawler, "SLICE_S", 0.0)
    site.pages["/"] = html("Start")
    document = add()
    assert crawler.crawl(document.pk, lambda document_id: None), "there is more to do"
    document.refresh_from_db()
    assert (document.status, document.attempt) == ("pending", 0)


_WORKER = """
import sys, uuid, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.MEDIA_ROOT = sys.argv[2]
settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
django.setup()
from documents.sources.crawl import crawler
while crawler.crawl(uuid.UUID(sys.argv[3]), lambda document_id: None): pass
"""


def test_a_crawl_killed_again_and_again_goes_on_and_does_nothing_twice(
    site, add, root, settings, monkeypatch
):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    paths = [f"/{number}" for number in range(40)]
    site.pages |= {path: Page(html(f"Page {path}", *paths).body, wait_s=0.1) for path in ("/", *paths)}
    document = add()
    arguments = [str(connection.settings_dict["NAME"]), str(settings.MEDIA_ROOT), str(document.pk)]
    kills = Document.MAX_ATTEMPTS + 1
    for kill in range(kills):
        before = len(site.paths())
        with subprocess.Popen([sys.executable, "-c", _WORKER, *arguments], cwd=root) as worker:
            deadline = time.monotonic() + 30
            while len(site.paths()) < before + 6 and time.monotonic() < deadline:
                time.sleep(0.01)
            worker.send_signal(signal.SIGKILL)
        Document.objects.filter(pk=document.pk, status="processing").update(lease_until=timezone.now())
        assert Document.objects.filter(parent=document).count() >= 2 * (kill + 1)
    assert Document.objects.filter(parent=document).count() < 41
    assert (
        subprocess.run(
            [sys.executable, "-c", _WORKER, *arguments], cwd=root, timeout=60, check=False
        ).returncode
        == 0
    )
    document.refresh_from_db()
    assert (document.status, document.page_count) == ("ready", 41), document.error
    urls = list(Document.objects.filter(parent=document).values_list("url", flat=True))
    assert sorted(urls) == sorted(site.at(path) for path in ("/", *paths))
    again = len(site.paths()) - 41
    assert again <= kills * settings.CRAWL_AT_ONCE, "only what was being fetched is fetched again"


def test_a_site_keeps_the_name_that_somebody_gave_it(site, add, visit):
    site.pages["/"] = html("Welcome", title="Home")
    assert visit(add(title="Our handbook")).title == "Our handbook"
