"""The HTTP client of the providers: one session per event loop; every failure becomes an InferenceError."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from yarl import URL

from inference.wire.http_errors import error_for, words_of

from .address_guard import LinkLocal, is_refused
from .errors import BadReply, InferenceError, Misconfigured, NotConnected, Unavailable
from .guarded_resolver import GuardedResolver
from .types import EndpointSpec

MAX_REPLY_BYTES = 64 * 2**20  # 2,048 vectors of 3,072 numbers as JSON
_MAX_REFUSAL_BYTES = 64 * 2**10

_Keeper = AsyncGenerator[aiohttp.ClientSession]
_sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, _Keeper]] = {}


class Http:
    """Send GET and POST requests with JSON for one endpoint. Raise only InferenceError.

    Replies are limited to MAX_REPLY_BYTES.
    """

    def __init__(self, spec: EndpointSpec) -> None:
        self._connect_s = spec.deadlines.connect_s

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the whole reply."""
        async with self._reply("GET", url, None, headers or {}) as pieces:
            return b"".join([piece async for piece in pieces])

    async def post(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the whole reply."""
        async with self.stream(url, body, headers) as pieces:
            return b"".join([piece async for piece in pieces])

    def stream(
        self, url: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Yield the reply's bytes as they arrive. Leaving the context early closes the connection."""
        # Aiohttp would write a long `bytes` body in one go, which blocks the loop.
        data = BytesIO(json.dumps(body).encode())
        return self._reply("POST", url, data, {"Content-Type": "application/json", **(headers or {})})

    @asynccontextmanager
    async def _reply(
        self, method: str, url: str, data: BytesIO | None, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        session = await _session_of_this_loop()
        with self._in_our_words(url):
            async with session.request(
                method,
                url,
                data=data,
                headers=headers,
                proxy=proxy_for(url),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_s),
            ) as response:
                if response.status >= 300:
                    raise await self._refusal(response)
                yield self._pieces(response, url)

    async def _pieces(self, response: aiohttp.ClientResponse, url: str) -> AsyncIterator[bytes]:
        with self._in_our_words(url):
            async for piece in _limit_size(response.content.iter_any()):
                yield piece

    async def _refusal(self, response: aiohttp.ClientResponse) -> InferenceError:
        body = b""
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > _MAX_REFUSAL_BYTES:
                break
        return error_for(
            response.status, words_of(body), _retry_after_s(response.headers.get("Retry-After", ""))
        )

    @contextmanager
    def _in_our_words(self, url: str) -> Iterator[None]:
        place = URL(url).authority
        if is_refused(URL(url).host or ""):  # an address that was stored before this was checked
            raise _link_local(place)
        try:
            yield
        except aiohttp.ClientProxyConnectionError as error:
            raise Unavailable(
                f"{_proxy_words(url)} does not answer, so {place} cannot be reached."
            ) from error
        except aiohttp.ClientHttpProxyError as error:
            raise Misconfigured(
                f"{_proxy_words(url)} refused to connect to {place} ({error.status})."
            ) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise NotConnected(f"No connection to {place} within {self._connect_s:g} s.") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise Misconfigured(
                f"{place} has no certificate that we can trust: check the address."
            ) from error
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, LinkLocal):
                raise _link_local(place) from error
            raise Unavailable(f"The host name of {place} cannot be resolved: check the address.") from error
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"Nothing answers at {place}: is the model's server running?") from error
        except aiohttp.InvalidURL as error:
            raise Misconfigured(f"{url} is not a valid address: correct it.") from error
        except aiohttp.ClientResponseError as error:
            raise BadReply(f"{place} sent an invalid HTTP response.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The connection to {place} broke.") from error


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

    This machine is always reached directly. Raises Misconfigured.
    """
    parts = URL(url)
    host = parts.host or ""
    if _is_this_machine(host) or proxy_bypass_environment(parts.authority):
        return None
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and not proxy.startswith(("http://", "https://")):
        raise Misconfigured(
            f"Only HTTP proxies are supported: add {host} to NO_PROXY, or name another proxy."
        )
    return proxy or None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")


def _proxy_words(url: str) -> str:
    return f"The proxy {URL(proxy_for(url) or '').authority.rpartition('@')[2]} (from the environment)"


def _link_local(place: str) -> Misconfigured:
    return Misconfigured(f"{place} is link-local: choose the address of a model's server.")


async def _limit_size(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MAX_REPLY_BYTES:
            raise BadReply(f"The model's server sent more than {MAX_REPLY_BYTES:,} bytes.")
        yield piece


def _retry_after_s(header: str) -> float | None:
    """Return the seconds that the header gives, or the seconds until its date; None if it gives neither."""
    if header.isdigit():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # not a date, or a date without a time zone
        return None


async def _session_of_this_loop() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        keeper = _keep_session(loop)
        _sessions[loop] = (await anext(keeper), keeper)
    return _sessions[loop][0]


async def _keep_session(loop: asyncio.AbstractEventLoop) -> _Keeper:
    """Yield a session that is closed when its loop ends, regardless of what runs the loop.

    asyncio.Runner, uvicorn and asgiref close the async generators of a loop before they close the loop. That
    is the only moment at which a library can still await something at the end of a loop.
    """
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, resolver=GuardedResolver()
            ),  # the callers limit concurrency
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compression would delay the words of a stream; it saves little on vectors.
            headers={"Accept-Encoding": "identity", "User-Agent": "Ragsite"},
        ) as session:
            yield session
    finally:
        del _sessions[loop]
