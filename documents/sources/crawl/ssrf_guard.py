"""The SSRF guard: the SSRF check of each web address that the crawler fetches. Pure, except for one setting.

A crawler fetches addresses that strangers choose. With such an address they must not reach what only this
server can reach: its own services, the network around it, or a cloud's metadata service.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from documents.errors import Forbidden
from inference.ip_addresses import is_private, is_public

MAX_CHARACTERS = 2000
_PORTS = {
    80,
    443,
    8000,
    8080,
    8443,
    8888,
}  # of web servers; other ports are of services that are not meant for us
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
# A host whose last part is a number means an IPv4 address
_LOOKS_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")

NO_HOST = "This is not a web address, such as https://example.org."


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be fetched if the IP addresses of its host pass `check`, too."""

    scheme: str
    host: str  # a name in ASCII, or an IP address; lower case
    port: int

    @property
    def is_named_by_operator(self) -> bool:
        return self.host in settings.ALLOWED_PRIVATE_HOSTS


def target(url: str) -> Target:
    """Return the target of this URL. Raises Forbidden for forms that no website needs and attackers use."""
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise Forbidden(
            f"Only addresses that begin with http:// or https:// are fetched, not {parts.scheme or 'this'}."
        )
    if "@" in parts.netloc:
        raise Forbidden("The address contains a user name or password. Remove it.")
    where = Target(parts.scheme, _host(parts), _port(parts))
    if where.port not in _PORTS and not where.is_named_by_operator:
        raise Forbidden(f"Port {where.port} is not a port for websites.")
    if literal := _literal(where.host):
        check(literal, where)
    return where


def check(address: str, where: Target) -> None:
    """Raise Forbidden unless this IP address is public, or it is private and the operator named its host.

    Link-local, multicast and reserved addresses stay forbidden even then.
    """
    ip = ip_address(address)
    if is_public(ip):
        return
    if where.is_named_by_operator and is_private(ip):
        return
    what = where.host if where.host == address else f"{where.host} resolves to {address}, which"
    raise Forbidden(
        f"{what} is not on the public web. If it is your own site, ask your operator to allow its host."
    )


def _split(url: str) -> SplitResult:
    if len(url) > MAX_CHARACTERS:
        raise Forbidden(f"The address is longer than {MAX_CHARACTERS:,} characters.")
    if any(character.isspace() or not character.isprintable() for character in url) or "\\" in url:
        raise Forbidden("The address contains a character that is not allowed. Remove it.")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Forbidden(NO_HOST) from error


def _host(parts: SplitResult) -> str:
    try:
        # Normalise like browsers, before any check: full-width and circled digits become plain digits.
        host = (parts.hostname or "").rstrip(".")
        host = host if ":" in host else host.encode("idna").decode("ascii").lower()
    except (UnicodeError, ValueError) as error:
        raise Forbidden(NO_HOST) from error
    if _literal(host):
        return host
    if not _NAME.fullmatch(host) or _LOOKS_NUMERIC.fullmatch(host):
        raise Forbidden(NO_HOST)
    return host


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise Forbidden("The port in this address must be a number up to 65535.") from error
    return port if port is not None else 443 if parts.scheme == "https" else 80


def _literal(host: str) -> str:
    """Return the host if it is an IP address in its usual form (four decimal numbers, or IPv6), else ""."""
    try:
        ip = ip_address(host)
    except ValueError:
        return ""
    if getattr(ip, "scope_id", None):
        raise Forbidden("The address names a network interface.")
    return str(ip)
