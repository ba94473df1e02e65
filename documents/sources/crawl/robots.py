"""Reads what a site asks of crawlers: robots.txt as in RFC 9309, and the older Crawl-delay."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from protego import Protego

from documents.errors import NotFetched
from documents.parsing.encodings import decode

from .fetch import Web
from .url_normalization import origin

_TOKEN = "Ragsite"
_VERSION = re.compile(r"(?im)^(\s*user-agent\s*:\s*[a-z_-]+)/.*$")  # "User-agent: Ragsite/1.0" means Ragsite
_MAX_BYTES = 512_000  # RFC 9309 asks for 500 KiB at least
_MAX_DELAY_S = 60.0  # with a longer one, a large site would never be read


@dataclass(frozen=True, slots=True)
class Robots:
    rules: Protego

    def allows(self, url: str) -> bool:
        return bool(self.rules.can_fetch(url, _TOKEN))

    @property
    def delay_s(self) -> float:
        """Return the crawl delay between two requests, in seconds."""
        return min(float(self.rules.crawl_delay(_TOKEN) or 0), _MAX_DELAY_S)

    def sitemaps(self, url: str) -> list[str]:
        """Return the addresses of the sitemaps that robots.txt lists. url: any address on the site."""
        return [urljoin(url, each) for each in self.rules.sitemaps]


async def read_robots(web: Web, url: str) -> Robots:
    """Return the rules of the site that this URL is on.

    A missing file (4xx) allows everything. A server error or a rate limit (429) allows nothing: it raises
    NotFetched, which is retryable. Raises Forbidden, too.
    """
    reply = await web.get(f"{origin(url)}/robots.txt", max_bytes=_MAX_BYTES)
    if reply.status >= 500 or reply.status == 429:
        raise NotFetched(
            f"The site's robots.txt, which says what may be read, is not available (status {reply.status}).",
            retryable=True,
        )
    text = decode(reply.body) if reply.status == 200 else ""
    return Robots(Protego.parse(_VERSION.sub(r"\1", text)))


class RobotsOfHosts:
    """Caches the rules of each host, so that its robots.txt is fetched once."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._known: dict[str, Robots] = {}

    async def of(self, url: str) -> Robots:
        key = origin(url)
        if key not in self._known:
            self._known[key] = await read_robots(self._web, url)
        return self._known[key]
