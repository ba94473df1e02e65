"""HTTP as the providers use it: one session for each event loop, and every failure in our own words."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

import aiohttp
from yarl import URL

from inference.wire.http_errors import error_for, words_of

from .errors import BadReply, InferenceError, Misconfigured, TimedOut, Unavailable
from .types import EndpointSpec

MAX_REPLY_BYTES = 64 * 2**20  # 2,048 vectors of 3,072 numbers, written out
_MAX_REFUSAL_BYTES = 64 * 2**10

_Keeper = AsyncGenerator[aiohttp.ClientSession]
_sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, _Keeper]] = {}


class Http:
    """Gets and posts JSON for one endpoint. Raises only InferenceError; replies end at MAX_REPLY_BYTES."""

    def __init__(self, spec: EndpointSpec) -> None:
        self._connect_s = spec.deadlines.connect_s
        self._secret = spec.secret

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
        """Yield the reply's bytes as they come. Leaving before their end closes the connection."""
        data = BytesIO(json.dumps(body).encode())  # long bytes as they are would block the loop
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
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_s),
            ) as response:
                if response.status >= 300:
                    raise await self._refusal(response)
                yield _limit_size(response.content.iter_any())

    async def _refusal(self, response: aiohttp.ClientResponse) -> InferenceError:
        body = b""
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > _MAX_REFUSAL_BYTES:
                break
        words = words_of(body)
        if self._secret:  # some servers repeat the key they refuse
            words = words.replace(self._secret, "***")
        return error_for(response.status, words, _retry_after_s(response.headers.get("Retry-After", "")))

    @contextmanager
    def _in_our_words(self, url: str) -> Iterator[None]:
        place = URL(url).authority
        try:
            yield
        except aiohttp.ConnectionTimeoutError as error:
            raise TimedOut(f"No connection to {place} within {self._connect_s:g} s.") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise Misconfigured(
                f"{place} has no certificate that we can trust: check the address."
            ) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise Unavailable(f"The name of {place} leads nowhere: check the address.") from error
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"Nothing answers at {place}: is the model's server running?") from error
        except aiohttp.InvalidURL as error:
            raise Misconfigured(f"{url} is no address: correct it.") from error
        except aiohttp.ClientResponseError as error:
            raise BadReply(f"{place} does not speak HTTP as it should.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The connection to {place} broke.") from error


async def _limit_size(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MAX_REPLY_BYTES:
            raise BadReply(f"The model's server sent more than {MAX_REPLY_BYTES:,} bytes.")
        yield piece


def _retry_after_s(header: str) -> float | None:
    """Return the header's seconds, or those until its date; None when it says neither."""
    if header.isdigit():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date; a date without a zone
        return None


async def _session_of_this_loop() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        keeper = _keep_session(loop)
        _sessions[loop] = (await anext(keeper), keeper)
    return _sessions[loop][0]


async def _keep_session(loop: asyncio.AbstractEventLoop) -> _Keeper:
    """Yield a session that is closed when its loop ends, whoever runs the loop.

    asyncio.Runner, uvicorn and asgiref close the async generators of a loop before they close the loop, and
    that is the only moment in which a library can await something at the end.
    """
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the callers bound how many run at once
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressing would hold words back; it saves little on vectors.
            headers={"Accept-Encoding": "identity", "User-Agent": "Ragsite"},
        ) as session:
            yield session
    finally:
        del _sessions[loop]
