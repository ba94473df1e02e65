"""The SSRF guard: no address, in any notation and from any place, reaches what only this server can reach."""

import asyncio
import gzip
import tracemalloc
import zlib
from xml.sax.saxutils import escape

import brotli
import pytest
import zstandard

from documents.errors import DocumentRefused, NotFetched
from documents.sources.crawl.fetch import MAX_REDIRECTS, Forbidden, Web, WebResponse
from documents.sources.service import add_feed, add_website
from tests import factories
from tests.documents.sources.conftest import pages
from tests.fakes.site import Page, Site, html, moved, packed, running_site

FORBIDDEN = {
    # IPv4
    "loopback": "http://127.0.0.1/",
    "loopback, another of its addresses": "http://127.8.9.10/",
    "this network": "http://0.0.0.0/",
    "private, class A": "http://10.0.0.5/",
    "private, class B": "http://172.31.255.254/",
    "private, class C": "http://192.168.1.1/",
    "carrier's network": "http://100.64.0.1/",
    "metadata of Amazon, Google, Azure": "http://169.254.169.254/latest/meta-data/",
    "metadata of Alibaba": "http://100.100.100.200/",
    "metadata of Oracle": "http://192.0.0.192/",
    "Azure's wire server": "http://168.63.129.16/",
    "link-local": "http://169.254.1.1/",
    "multicast": "http://224.0.0.1/",
    "broadcast": "http://255.255.255.255/",
    "reserved": "http://240.0.0.1/",
    "documentation": "http://192.0.2.1/",
    "benchmarking": "http://198.18.0.1/",
    "6to4 relay": "http://192.88.99.1/",
    # notations of 127.0.0.1
    "one decimal number": "http://2130706433/",
    "one hexadecimal number": "http://0x7f000001/",
    "one octal number": "http://017700000001/",
    "octal parts": "http://0177.0.0.1/",
    "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
    "two parts": "http://127.1/",
    "leading zeros": "http://127.000.000.001/",
    "dot at the end": "http://127.0.0.1./",
    "full-width digits": "http://１２７.０.０.１/",
    "circled digits": "http://①②⑦.⓪.⓪.①/",
    "percent-encoded": "http://%31%32%37.0.0.1/",
    "a part too large": "http://127.0.0.257/",
    # IPv6
    "IPv6 loopback": "http://[::1]/",
    "IPv6 unspecified": "http://[::]/",
    "IPv4-mapped": "http://[::ffff:127.0.0.1]/",
    "IPv4-mapped in hexadecimal": "http://[::ffff:7f00:1]/",
    "IPv4-compatible": "http://[::127.0.0.1]/",
    "6to4": "http://[2002:7f00:1::]/",
    "Teredo": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "NAT64": "http://[64:ff9b::7f00:1]/",
    "NAT64 of a local prefix": "http://[64:ff9b:1::7f00:1]/",
    "IPv6 link-local": "http://[fe80::1]/",
    "IPv6 with an interface": "http://[fe80::1%25eth0]/",
    "IPv6 site-local": "http://[fec0::1]/",
    "IPv6 private": "http://[fd00:ec2::254]/",
    "IPv6 multicast": "http://[ff02::1]/",
    "IPv6 documentation": "http://[2001:db8::1]/",
    # names
    "localhost": "http://localhost/",
    "localhost with a dot": "http://localhost./",
    "LOCALHOST": "http://LOCALHOST/",
    # other schemes
    "a file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_INFO",
    "ftp": "ftp://127.0.0.1/",
    "data": "data:text/html,hello",
    "javascript": "javascript:alert(1)",
    "dict": "dict://127.0.0.1:11211/stats",
    "ldap": "ldap://127.0.0.1/",
    "a jar of a URL": "jar:http://127.0.0.1!/",
    # URLs that hide their host
    "user name": "http://example.org@127.0.0.1/",
    "password": "http://user:secret@example.org/",
    "user name that looks like a host": "http://169.254.169.254:80@example.org/",
    "backslash": "http://example.org\\@127.0.0.1/",
    "backslashes for slashes": "http:\\\\127.0.0.1/",
    "line break": "http://example.org/\r\nHost: 127.0.0.1",
    "NUL": "http://example.org\x00.127.0.0.1/",
    "space in the host": "http://example.org 127.0.0.1/",
    "no host": "http:///etc/passwd",
    "two ports": "http://127.0.0.1:80:80/",
    # ports of other services
    "SSH": "http://example.org:22/",
    "mail": "http://example.org:25/",
    "PostgreSQL": "http://example.org:5432/",
    "Valkey": "http://example.org:6379/",
    "port out of range": "http://example.org:65536/",
}  # fmt: skip
# Only resolving these names shows that they are private.
RESOLVED = {"localhost", "localhost with a dot", "LOCALHOST"}


def get(url: str, **options) -> WebResponse:
    async def fetch() -> WebResponse:
        async with Web(**options.pop("web", {})) as web:
            return await web.get(url, **options)

    return asyncio.run(fetch())


def every(cases=FORBIDDEN):
    return pytest.mark.parametrize("url", cases.values(), ids=cases.keys())


def test_there_are_at_least_forty_cases():
    assert len(set(FORBIDDEN.values())) >= 40


@every()
def test_a_forbidden_address_is_refused_by_the_client(url):
    with pytest.raises(Forbidden):
        get(url)


@pytest.mark.django_db
@every({name: url for name, url in FORBIDDEN.items() if name not in RESOLVED})
@pytest.mark.parametrize("add", [add_website, add_feed])
def test_a_forbidden_address_is_refused_by_the_doors(url, add):
    workspace = factories.workspace()
    with pytest.raises(DocumentRefused):
        add(workspace, None, url, ask_worker=False)
    assert not workspace.documents.exists()


@pytest.fixture
def here(site: Site, settings) -> Site:
    """Return a site that an operator allows by its name, so that no IP address is allowed by itself."""
    settings.ALLOWED_PRIVATE_HOSTS = ["localhost"]
    site.url = site.url.replace("127.0.0.1", "localhost")
    return site


@every(
    {name: url for name, url in FORBIDDEN.items() if name not in RESOLVED | {"line break", "NUL", "no host"}}
)
def test_a_redirect_to_a_forbidden_address_is_refused(here, url):
    here.pages["/"] = moved(url.encode().decode("latin-1"))  # headers are sent as Latin-1
    with pytest.raises(Forbidden):
        get(here.at("/"))
    assert here.paths() == ["/"]


@pytest.mark.django_db(transaction=True)
def test_a_crawl_goes_to_no_forbidden_address_by_link_sitemap_redirect_or_canonical(workspace, here, crawl):
    with running_site() as secret:
        port = secret.url.rpartition(":")[2]
        hosts = ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1", "0.0.0.0")
        lures = [*FORBIDDEN.values(), *(f"http://{host}:{port}/secret" for host in hosts)]
        lures = [
            lure
            for lure in lures
            if "localhost" not in lure.lower() and "\x00" not in lure and ":///" not in lure
        ]
        redirects = {f"/r/{number}": lure for number, lure in enumerate(lures) if "\n" not in lure}
        here.pages |= {path: moved(lure.encode().decode("latin-1")) for path, lure in redirects.items()}
        here.pages["/"] = html("Lures", "/canonical", *redirects, *(lure.replace('"', "") for lure in lures))
        here.pages["/canonical"] = html(
            "Canonical", head=f'<link rel="canonical" href="http://127.0.0.1:{port}/secret">'
        )
        here.robots(f"Sitemap: {here.url}/sitemap.xml\nSitemap: http://127.0.0.1:{port}/secret.xml")
        entries = "".join(f"<url><loc>{escape(lure)}</loc></url>" for lure in lures)
        here.pages["/sitemap.xml"] = Page(f"<urlset>{entries}</urlset>".encode(), media_type="text/xml")
        found = crawl(add_website(workspace, None, here.at("/"), ask_worker=False))
        assert secret.asked == []
    assert found.status == "ready", found.error
    states = pages(found)
    assert {path for path, state in states.items() if state == "done"} == {"/", "/canonical", "/sitemap.xml"}
    refused = found.source.addresses.filter(state__in=["failed", "skipped"])
    assert refused.count() == len(redirects)
    assert all(each.reason for each in refused)


@pytest.mark.django_db(transaction=True)
def test_a_feed_leads_to_no_forbidden_address(workspace, here, crawl):
    lures = [
        url for name, url in FORBIDDEN.items() if name not in RESOLVED | {"line break", "NUL", "no host"}
    ]
    items = "".join(
        f"<item><title>Post {number}</title><guid>{number}</guid><link>{escape(lure)}</link></item>"
        for number, lure in enumerate(lures)
    )
    here.pages["/feed"] = Page(
        f"<rss version='2.0'><channel>{items}</channel></rss>".encode(), media_type="text/xml"
    )
    found = crawl(add_feed(workspace, None, here.at("/feed"), ask_worker=False))
    assert here.paths() == ["/feed"]
    posts = found.source.pages()
    assert posts.count() == len(lures)
    assert set(posts.values_list("state", flat=True)) == {"failed"}


@pytest.mark.django_db(transaction=True)
@every({name: FORBIDDEN[name] for name in sorted(RESOLVED)})
@pytest.mark.parametrize("add", [add_website, add_feed])
def test_a_name_that_leads_to_a_private_address_fails_with_the_reason(workspace, crawl, url, add):
    found = crawl(add(workspace, None, url, ask_worker=False))
    assert found.status == "failed"
    assert "not on the public web" in found.error


class _NameServer:
    """Returns the next of these addresses for each lookup."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


@pytest.fixture
def rebound(site, settings) -> str:
    """Return the URL of the site under a name that an operator allows."""
    settings.ALLOWED_PRIVATE_HOSTS = ["rebound.example"]
    return site.url.replace("127.0.0.1", "rebound.example")


def test_a_connection_goes_to_what_was_checked_and_nobody_is_asked_again(site, rebound):
    site.pages["/"] = html("The real one")
    names = _NameServer(["127.0.0.1"], ["169.254.169.254"])
    assert b"The real one" in get(f"{rebound}/", web={"resolve": names}).body
    assert names.asked == 1


def test_each_hop_is_checked_anew(site, rebound):
    site.pages["/"] = moved("/again")
    names = _NameServer(["127.0.0.1"], ["169.254.169.254"])
    with pytest.raises(Forbidden):
        get(f"{rebound}/", web={"resolve": names})
    assert site.paths() == ["/"]


@pytest.mark.parametrize(
    "answers", [["8.8.8.8", "127.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["fe80::1"]]
)
def test_one_forbidden_address_among_those_of_a_name_is_enough(answers):
    with pytest.raises(Forbidden):
        get("http://mixed.example/", web={"resolve": _NameServer(answers)})


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "100.100.100.200", "fe80::1", "fd00:ec2::254"]
)
def test_what_an_operator_allows_opens_no_metadata_or_link_local_address(settings, address):
    settings.ALLOWED_PRIVATE_HOSTS = ["intranet.example"]
    with pytest.raises(Forbidden):
        get("http://intranet.example/", web={"resolve": _NameServer([address])})


def test_the_proxies_of_the_environment_are_not_used(site, monkeypatch):
    site.pages["/"] = html("Direct")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert get(site.at("/")).status == 200


# --- limits -------------------------------------------------------------------------------------


def test_redirects_are_followed_so_far(site):
    site.pages |= {f"/{n}": moved(f"/{n - 1}") for n in range(1, 10)} | {"/0": html("There")}
    assert get(site.at(f"/{MAX_REDIRECTS}")).url == site.at("/0")
    with pytest.raises(NotFetched, match="more than 5 times"):
        get(site.at(f"/{MAX_REDIRECTS + 1}"))


def test_a_circle_of_redirects_is_noticed(site):
    site.pages |= {"/a": moved("/b"), "/b": moved("/a")}
    with pytest.raises(NotFetched, match="in a circle"):
        get(site.at("/a"))


def test_a_slow_server_is_left_alone(site, settings):
    settings.CRAWL_TIMEOUT_S = 0.3
    site.pages["/"] = Page(b"late", wait_s=1)
    with pytest.raises(NotFetched, match="took longer") as error:
        get(site.at("/"))
    assert error.value.retryable


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "200000"}], ids=["as it comes", "as announced"])
def test_a_page_beyond_the_limit_is_refused(site, headers):
    site.pages["/"] = Page(b"x" * 200_000, headers=headers)
    with pytest.raises(NotFetched, match="larger than"):
        get(site.at("/"), max_bytes=100_000)


def test_a_packed_page_is_unpacked(site):
    site.pages["/"] = packed(html("Packed"))
    assert b"Packed" in get(site.at("/")).body


def test_a_bomb_is_not_unpacked_beyond_the_limit(site):
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    site.pages["/"] = Page(bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(NotFetched, match="larger than"):
        get(site.at("/"), max_bytes=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


_SAID = b"The bell costs four euros. " * 500
_ZIPPED = gzip.compress(_SAID, mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        *((_SAID, each) for each in ("", "none", "identity", "None", "utf-8", "binary", "identity, none")),
        (_ZIPPED + b"\0" * 100, "gzip"),
        (_ZIPPED + b"\r\n", "x-gzip"),
        (gzip.compress(_SAID[:99], mtime=0) + gzip.compress(_SAID[99:], mtime=0), "GZIP"),
        (zlib.compress(_SAID), "deflate"),
        (zlib.compress(_SAID)[2:-4], "deflate"),
        (brotli.compress(_SAID), "br"),
        (zstandard.compress(_SAID), "zstd"),
        (zstandard.compress(_SAID[:99]) + zstandard.compress(_SAID[99:]), "zstd"),
        (gzip.compress(brotli.compress(_SAID), mtime=0), "br, gzip"),
        (zlib.compress(zstandard.compress(_SAID)), "zstd,identity , deflate"),
    ],
)
def test_a_body_is_read_through_every_content_encoding(site, body, encoding):
    site.pages["/"] = Page(body, headers={"Content-Encoding": encoding})
    assert get(site.at("/")).body == _SAID


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (zlib.compress(b"\0" * 50_000_000), "deflate"),
        (brotli.compress(b"\0" * 50_000_000), "br"),
        (zstandard.compress(b"\0" * 50_000_000), "zstd"),
        (gzip.compress(gzip.compress(b"\0" * 60_000_000, mtime=0), mtime=0), "gzip, gzip"),
    ],
    ids=["deflate", "br", "zstd", "twice"],
)
def test_no_content_encoding_unpacks_beyond_the_limit(site, body, encoding):
    site.pages["/"] = Page(body, headers={"Content-Encoding": encoding})
    with pytest.raises(NotFetched, match="larger than"):
        get(site.at("/"), max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("body", "encoding", "sentence"),
    [
        (b"not gzip at all", "gzip", "damaged"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-10], "gzip", "too early"),
        (zlib.compress(b"x" * 1000)[:-6], "deflate", "too early"),
        (brotli.compress(_SAID)[:-3], "br", "too early"),
        (zstandard.compress(_SAID)[:-3], "zstd", "too early"),
        (b"not zstd at all", "zstd", "damaged"),
        (b"x", "aes128gcm", "did not ask for"),
        (b"x", "gzip, gzip, gzip, gzip", "did not ask for"),
    ],
)
def test_what_cannot_be_unpacked_is_said(site, body, encoding, sentence):
    site.pages["/"] = Page(body, headers={"Content-Encoding": encoding})
    with pytest.raises(NotFetched, match=sentence):
        get(site.at("/"))


def test_a_body_that_nobody_wants_is_not_read(site):
    site.pages["/"] = Page(b"x" * 1000, media_type="video/mp4")
    reply = get(site.at("/"), accepts=lambda reply: reply.media_type == "text/html")
    assert (reply.status, reply.body) == (200, b"")


def test_a_server_that_is_not_there_is_said_in_words(allowed):
    with pytest.raises(NotFetched, match="could not be reached") as error:
        get("http://127.0.0.1:9/")
    assert error.value.retryable
