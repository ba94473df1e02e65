"""URL normalization, and the bounds that decide which addresses belong to a site."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from documents.errors import Forbidden
from documents.models import Source

from . import ssrf_guard

_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|mc_[ce]id|msclkid", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_SAFE = "%/:@!$&'()*+,;=~-._"  # allowed unescaped in a path, RFC 3986
# Extensions of files without text. The crawler does not follow links to them, and makes no request.
_NO_TEXT = re.compile(
    r"\.(?:avi|bin|bmp|css|dmg|eot|exe|flac|gif|ico|iso|jar|jpe?g|js|json|m4[av]|mid|mov|mp[34]|mpe?g"
    r"|og[agv]|otf|png|rss|svg|tiff?|ttf|wav|web[mp]|wmv|woff2?)$",
    re.IGNORECASE,
)
# Extensions of archives: each website lists those that it left out, and no request is made.
_ARCHIVE = re.compile(r"\.(7z|bz2|gz|rar|tar|tbz2?|tgz|txz|xz|zip)$", re.IGNORECASE)


def canonical(url: str, base: str = "") -> str:
    """Return the canonical form of an address: absolute, host in lower case, no fragment, no tracking.

    Raises Forbidden if the SSRF guard does not allow the address.
    """
    try:
        joined = urljoin(base, url.strip()) if base else url.strip()
    except ValueError as error:
        raise Forbidden(ssrf_guard.NO_HOST) from error
    joined = joined.replace(" ", "%20")
    where = ssrf_guard.target(joined.partition("#")[0])
    parts = urlsplit(joined)
    host = f"[{where.host}]" if ":" in where.host else where.host
    is_usual = where.port == (443 if where.scheme == "https" else 80)
    netloc = host if is_usual else f"{host}:{where.port}"
    plain = urlunsplit((where.scheme, netloc, _path(parts.path), _query(parts.query), ""))
    ssrf_guard.target(plain)
    return plain


def _path(path: str) -> str:
    path = _ESCAPE.sub(_tidy_escape, quote(path, safe=_SAFE, encoding="utf-8"))
    return urlsplit(urljoin("http://host/", re.sub("^/+", "/", path) or "/")).path


def _tidy_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0].upper()


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_TRACKING.fullmatch(name) for name, _ in pairs):
        return urlencode([(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)])
    return quote(query, safe=_SAFE + "?", encoding="utf-8")


def has_no_text(url: str) -> bool:
    """Return whether its extension says that it is a picture, a recording or another file without text."""
    return bool(_NO_TEXT.search(urlsplit(url).path))


def archive_extension(url: str) -> str:
    """Return the extension of an archive, in lower case, or ""."""
    found = _ARCHIVE.search(urlsplit(url).path)
    return found[1].lower() if found else ""


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_same_site(url: str, other: str) -> bool:
    """Return whether both addresses have the same host and port, with or without "www."."""
    hosts = {urlsplit(each).netloc.removeprefix("www.") for each in (url, other)}
    return len(hosts) == 1


def display_url(url: str) -> str:
    """Return an address in the short form that people use."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a site: which addresses belong to it."""

    home: str  # the start address; all pages are on the same host and port
    is_below_start: bool = False  # only addresses in the start address's folder
    include: tuple[str, ...] = ()  # globs over path and query; one must match; none: everything
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: Source) -> "Bounds":
        return cls(source.home, source.is_below_start, tuple(source.include), tuple(source.exclude))

    def refusal(self, url: str) -> str:
        """Return why an address does not belong, or ""."""
        if urlsplit(url).netloc != urlsplit(self.home).netloc:
            return "It is on another host."
        path = url.removeprefix(origin(url))
        folder = urlsplit(self.home).path.rpartition("/")[0] + "/"
        if self.is_below_start and not path.startswith(folder):
            return "It is not below the start address."
        if self.include and not any(fnmatchcase(path, glob) for glob in self.include):
            return "It matches none of the patterns to include."
        if any(fnmatchcase(path, glob) for glob in self.exclude):
            return "It matches a pattern to exclude."
        return ""
