"""What a site asks of crawlers: robots.txt as RFC 9309 has it, with the old Crawl-delay."""

from dataclasses import dataclass
from urllib.parse import urljoin

from protego import Protego

from documents.errors import NotFetched

from .fetch import Web
from .url_normalization import origin

_TOKEN = "Ragsite"
_MAX_BYTES = 512_000  # RFC 9309 asks for 500 KiB at least
_MAX_DELAY_S = 60.0  # a longer one would keep a site of some size from ever being read


@dataclass(frozen=True, slots=True)
class Robots:
    rules: Protego

    def allows(self, url: str) -> bool:
        return bool(self.rules.can_fetch(url, _TOKEN))

    @property
    def delay_s(self) -> float:
        """Between two requests, in seconds."""
        return min(float(self.rules.crawl_delay(_TOKEN) or 0), _MAX_DELAY_S)

    def sitemaps(self, url: str) -> list[str]:
        """Return where the site says that its sitemaps are. url: any address on it."""
        return [urljoin(url, each) for each in self.rules.sitemaps]


async def read_robots(web: Web, url: str) -> Robots:
    """Return the rules of the site that this URL is on.

    No file (4xx) allows everything. A server in trouble allows nothing: NotFetched, to be tried again.
    Raises Forbidden too.
    """
    reply = await web.get(f"{origin(url)}/robots.txt", max_bytes=_MAX_BYTES)
    if reply.status >= 500 or reply.status == 429:
        raise NotFetched(
            f"The site's robots.txt, which says what may be read, could not be had (status {reply.status}).",
            retryable=True,
        )
    text = reply.body.decode("utf-8", "replace") if reply.status == 200 else ""
    return Robots(Protego.parse(text))


class RobotsOfHosts:
    """The rules of each host, read once."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._known: dict[str, Robots] = {}

    async def of(self, url: str) -> Robots:
        key = origin(url)
        if key not in self._known:
            self._known[key] = await read_robots(self._web, url)
        return self._known[key]
