"""A website and its feed on loopback, with what real ones do to crawlers. Pages can be changed while it runs."""

import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = "text/html; charset=utf-8"


@dataclass
class Page:
    body: bytes = b""
    status: int = 200
    media_type: str = HTML
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0


def html(text: str, *links: str, head: str = "", title: str = "") -> Page:
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    menu = f"<nav><ul>{anchors}</ul></nav>" if links else ""
    words = f"<p>{text}. " + "This paragraph is here so that the page has a text worth reading. " * 4 + "</p>"
    heading = f"<h1>{title or text}</h1>"
    markup = f"<html><head><title>{title or text}</title>{head}</head><body>{menu}<main>{heading}{words}</main></body></html>"
    return Page(markup.encode())


def moved(to: str, status: int = 302) -> Page:
    return Page(status=status, headers={"Location": to})


def packed(page: Page) -> Page:
    return Page(gzip.compress(page.body), 200, page.media_type, {"Content-Encoding": "gzip"})


class Site:
    """`pages` maps a path with its query to a page, or to a function that makes one from the headers."""

    def __init__(self) -> None:
        self.pages: dict[str, Page | Callable[[dict[str, str]], Page]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []  # path, headers with names in lower case
        self.url = ""

    def paths(self) -> list[str]:
        """Return what was asked for, in order, without robots.txt."""
        return [path for path, _ in self.asked if path != "/robots.txt"]

    def at(self, path: str) -> str:
        return self.url + path

    def robots(self, text: str) -> None:
        self.pages["/robots.txt"] = Page(text.encode(), media_type="text/plain")

    def sitemap(self, path: str, *paths: str, of: str = "url") -> None:
        entries = "".join(f"<{of}><loc>{self.url}{each}</loc></{of}>" for each in paths)
        name = "urlset" if of == "url" else "sitemapindex"
        namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
        text = f'<?xml version="1.0"?><{name} xmlns="{namespace}">{entries}</{name}>'
        self.pages[path] = Page(text.encode(), media_type="application/xml")

    def answer(self, path: str, headers: dict[str, str]) -> Page:
        self.asked.append((path, headers))
        page = self.pages.get(path, Page(b"no such page", 404))
        page = page(headers) if callable(page) else page
        time.sleep(page.wait_s)
        etag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
        if page.status == 200 and headers.get("if-none-match") == etag:
            return Page(status=304, headers={"ETag": etag})
        return Page(page.body, page.status, page.media_type, page.headers | {"ETag": etag})


@contextmanager
def running_site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            try:
                self.send_response(page.status)
                headers = {"Content-Type": page.media_type, "Content-Length": str(len(page.body))}
                for name, value in (headers | page.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.body)
            except ConnectionError:
                pass  # who asked had enough

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
