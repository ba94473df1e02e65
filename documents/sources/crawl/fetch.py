"""The only way to the web: GET requests that follow redirects, within limits and behind the SSRF guard.

For each hop, the host is resolved once, all its addresses are checked, and the connection goes to one of
them. There is no second lookup, so DNS rebinding has no effect.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from email.message import Message
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.utils.datastructures import CaseInsensitiveMapping
from yarl import URL

from core.text import storable
from documents.errors import Forbidden, NotFetched

from . import ssrf_guard
from .content_encoding import decompress, too_big

__all__ = ["Forbidden", "NotFetched", "Web", "WebResponse"]

USER_AGENT = "Ragsite/0.1 (crawler; obeys robots.txt as Ragsite)"
MAX_REDIRECTS = 5
MAX_RETRY_AFTER_S = 600
_PIECE = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

Resolve = Callable[[str, int], Awaitable[list[str]]]  # host, port -> IP addresses
MayGo = Callable[[str], Awaitable[None]]  # raises to forbid a redirect's target


@dataclass(frozen=True, slots=True)
class WebResponse:
    url: str  # the final address, after redirects
    status: int
    headers: Mapping[str, str]  # with case-insensitive names
    body: bytes = field(default=b"", repr=False)  # decompressed; empty unless the status is 200

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def file_name(self) -> str:
        """The file's name, as the server says or as the address ends; "" if it ends with a slash."""
        said = Message()
        said["Content-Disposition"] = self.headers.get("Content-Disposition", "")
        name = said.get_filename() or unquote(urlsplit(self.url).path)
        return name.replace("\\", "/").rpartition("/")[2]

    @property
    def charset(self) -> str:
        found = _CHARSET.search(self.headers.get("Content-Type", ""))
        return found[1].lower() if found else ""

    @property
    def retry_after_s(self) -> int:
        value = self.headers.get("Retry-After", "")
        return min(int(value), MAX_RETRY_AFTER_S) if value.isascii() and value.isdigit() else 0


async def _system_resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _anywhere(url: str) -> None:
    """Allow every target that the SSRF guard allows."""


class _Checked(AbstractResolver):
    """Resolves a name once, and returns its addresses only if the SSRF guard allows all of them."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        where = ssrf_guard.Target("", host, port)
        addresses = await self._resolve(host, port)
        for address in addresses:
            ssrf_guard.check(address, where)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class Web(AbstractAsyncContextManager["Web"]):
    """A client for untrusted servers: no cookies, no proxy of the environment, one connection per request."""

    def __init__(self, resolve: Resolve = _system_resolve) -> None:
        self._resolver = _Checked(resolve)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(resolver=self._resolver, use_dns_cache=False, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # against bombs, we decompress it ourselves, to at most a size
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self,
        url: str,
        *,
        accepts: Callable[[WebResponse], bool] = lambda reply: True,
        may_go: MayGo = _anywhere,
        max_bytes: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> WebResponse:
        """Return the server's response, after at most five redirects.

        accepts: called with the head of a 200; the body is read only if it returns True. may_go: called
        with the target of each redirect. Raises Forbidden, NotFetched, and the errors of may_go.
        """
        limit = max_bytes or settings.CRAWL_PAGE_MAX_BYTES
        try:
            async with asyncio.timeout(settings.CRAWL_TIMEOUT_S):
                return await self._follow(url, accepts, may_go, limit, headers or {})
        except TimeoutError as error:
            sentence = f"The server took longer than {settings.CRAWL_TIMEOUT_S} seconds."
            raise NotFetched(sentence, retryable=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotFetched(_sentence(error), retryable=True) from error

    async def _follow(
        self,
        url: str,
        accepts: Callable[[WebResponse], bool],
        may_go: MayGo,
        limit: int,
        headers: Mapping[str, str],
    ) -> WebResponse:
        seen = {url}
        while True:
            async with self._request(url, headers) as response:
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    return await _reply(url, response, accepts, limit)
                url = urljoin(url, response.headers["Location"].strip()).partition("#")[0]
            if url in seen:
                raise NotFetched("It redirects in a circle.")
            if len(seen) > MAX_REDIRECTS:
                raise NotFetched(f"It redirects more than {MAX_REDIRECTS} times.")
            seen.add(url)
            await may_go(url)

    def _request(self, url: str, headers: Mapping[str, str]) -> Any:
        where = ssrf_guard.target(url)
        parsed = URL(url)
        if (parsed.raw_host, parsed.port, parsed.scheme) != (where.host, where.port, where.scheme):
            raise Forbidden(ssrf_guard.NO_HOST)
        return self._session.get(parsed, allow_redirects=False, headers=headers)


async def _reply(
    url: str, response: aiohttp.ClientResponse, accepts: Callable[[WebResponse], bool], limit: int
) -> WebResponse:
    reply = WebResponse(url, response.status, _headers(response))
    if response.status != 200 or not accepts(reply):
        return reply
    if (response.content_length or 0) > limit:
        raise NotFetched(too_big(limit))
    return replace(reply, body=await _body(response, limit))


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Return the headers without lone surrogates, which stand for undecodable bytes and cannot be stored."""
    first_wins = reversed(list(response.headers.items()))
    return CaseInsensitiveMapping({name.lower(): storable(value) for name, value in first_wins})


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > limit:
            raise NotFetched(too_big(limit))
    return decompress(bytes(body), response.headers.get("Content-Encoding", ""), limit)


def _sentence(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "Its certificate is not valid, so its identity is unknown."
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "There is no host with this name."
        case aiohttp.ClientConnectorError():
            return "The server could not be reached."
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionError():
            return "The server closed the connection too early."
        case _:
            return "The server answered in a way that is not HTTP."
