"""A loopback server that speaks OpenAI's wire: chat completions (streamed or not), embeddings, models.

With a `flavour` it also tells its context and counts tokens (a word is one) as vLLM, llama.cpp or TGI do.

It answers deterministically, counts what it was asked, and misbehaves on request:

    async with OpenAIServer() as server:
        server.behaviour.stall_after = 3           # for every model
        server.models["slow"] = Behaviour(first_token_s=2)  # for one model id
        ... call server.base_url ...
        assert server.requests[0].body["model"] == "slow"

A model id may carry its behaviour itself: "demo?first_token_s=1&between_tokens_s=0.05&tokens=40".
Sync tests use `with running_in_thread() as server`; `python -m tests.fakes.openai_server --port N` runs it alone.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import math
import re
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ROLES = frozenset(["system", "developer", "user", "assistant"])
GROUNDED = "The passage answers this directly [1]."
UNGROUNDED = "This is a general answer, without any source."


@dataclass
class Behaviour:
    """How a model answers. Positions count tokens that were sent before."""

    text: str | None = None  # None: GROUNDED when the prompt numbers a passage [1], else UNGROUNDED
    tokens: int | None = None  # repeat or cut the text to this many words
    first_token_s: float = 0
    between_tokens_s: float = 0
    finish_reason: str = "stop"
    has_usage: bool = True
    has_done: bool = True  # the closing "data: [DONE]"
    reasoning: str = ""  # sent as reasoning_content before the text
    sends: Sequence[bytes | float] | None = None  # these writes in place of a stream, with pauses in seconds
    takes_roles: Sequence[str] | None = None  # a message with another role is refused; None: all are taken
    write_bytes: int | None = None  # cut the stream into writes of this size
    # Misbehaviour
    status: int = 200
    failures: int | None = None  # how many calls get `status`; None: all
    retry_after_s: float | None = None
    error: str = "The fake was told to fail."  # the server's own words
    body: str | None = None  # reply with this, whatever was asked
    error_after: int | None = None  # an error object in the stream
    garbage_after: int | None = None  # a line that is not JSON
    stall_after: int | None = None  # silence, with the connection open
    drop_after: int | None = None  # the connection breaks
    dimensions: int = 384  # of embeddings
    family: str = ""  # embeddings of another one are another model's, with as many dimensions
    vectors_missing: int = 0  # replies with so many embeddings too few


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    client_port: int  # tells connections apart


@dataclass
class OpenAIServer:
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one, known after start()
    behaviour: Behaviour = field(default_factory=Behaviour)
    models: dict[str, Behaviour] = field(default_factory=dict)
    flavour: str = ""  # "vllm", "llama.cpp", "tgi"; "": plain OpenAI, which says nothing of itself
    context_tokens: int = 4096  # as it says
    count_s: float = 0  # how long it takes to count
    requests: list[Received] = field(default_factory=list)
    tokens_sent: int = 0
    abandoned: int = 0  # streams that the client closed before their end
    _failed: dict[str, int] = field(default_factory=dict)
    _runner: web.AppRunner | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    @property
    def counts(self) -> list[Received]:
        return [request for request in self.requests if request.path == "/tokenize"]

    @property
    def chats(self) -> list[Received]:
        return [request for request in self.requests if request.path == "/v1/chat/completions"]

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/props", self._of("llama.cpp", self._props))
        app.router.add_get("/info", self._of("tgi", self._info))
        app.router.add_post("/apply-template", self._of("llama.cpp", self._apply_template))
        app.router.add_post("/tokenize", self._tokenize)
        # handler_cancellation: a client that leaves cancels its handler, as in real servers.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have nobody listen meanwhile. For another thread than the server's."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(10)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def wait_abandoned(self, count: int = 1, timeout_s: float = 5) -> None:
        """Return when `count` clients have left their streams. Raises TimeoutError."""
        await self.wait_until(lambda: self.abandoned >= count, timeout_s)

    async def wait_until(self, happened: Callable[[], object], timeout_s: float = 5) -> None:
        async with asyncio.timeout(timeout_s):
            while not happened():  # noqa: ASYNC110 - an Event belongs to one loop; this is asked from several
                await asyncio.sleep(0.005)

    def behaviour_of(self, model: str) -> Behaviour:
        name, _, query = model.partition("?")
        base = self.models.get(model) or self.models.get(name) or self.behaviour
        return replace(base, **_overrides(query)) if query else base

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _list_models(self, request: web.Request) -> web.Response:
        names = list(self.models) or ["fake"]
        flavours: dict[str, dict[str, Any]] = {
            "vllm": {"owned_by": "vllm", "parent": None, "max_model_len": self.context_tokens},
            "llama.cpp": {"owned_by": "llamacpp", "meta": {"n_vocab": 49152, "n_ctx_train": 131072}},
        }
        said = flavours.get(self.flavour, {"owned_by": "fake"})
        data = [{"id": name, "object": "model", "created": 0, **said} for name in names]
        return web.json_response({"object": "list", "data": data})

    def _of(self, flavour: str, handle: _Handler) -> _Handler:
        """An address that only this flavour has."""

        async def handled(request: web.Request) -> web.StreamResponse:
            if self.flavour != flavour:
                raise web.HTTPNotFound
            return await handle(request)

        return handled

    async def _props(self, request: web.Request) -> web.Response:
        slot = {"id": 0, "n_ctx": self.context_tokens, "params": {"n_predict": -1}}
        return web.json_response({"default_generation_settings": slot, "total_slots": 1})

    async def _info(self, request: web.Request) -> web.Response:
        info = {"model_id": "fake", "max_input_tokens": self.context_tokens - 1}
        return web.json_response({**info, "max_total_tokens": self.context_tokens})

    async def _apply_template(self, request: web.Request) -> web.Response:
        body = await request.json()
        filled = "".join(f"<|im_start|> {each['role']}\n{each['content']}\n" for each in body["messages"])
        return web.json_response({"prompt": filled})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(Received(request.path, dict(request.headers), body, 0))
        await asyncio.sleep(self.count_s)
        match self.flavour:
            case "vllm":
                tokens = list(range(len(_prompt(body).split())))
                counted = {"count": len(tokens), "max_model_len": self.context_tokens, "tokens": tokens}
                return web.json_response({**counted, "token_strs": None})
            case "llama.cpp":
                return web.json_response({"tokens": list(range(len(body["content"].split())))})
            case "tgi":
                words = re.finditer(r"\S+", body["inputs"])
                return web.json_response(
                    [{"id": 1, "text": each[0], "start": each.start(), "stop": each.end()} for each in words]
                )
        raise web.HTTPNotFound

    async def _receive(self, request: web.Request) -> tuple[dict[str, Any], Behaviour]:
        body = await request.json()
        port = request.transport.get_extra_info("peername")[1] if request.transport else 0
        self.requests.append(Received(request.path, dict(request.headers), body, port))
        return body, self.behaviour_of(body["model"])

    def _refusal(self, model: str, how: Behaviour) -> web.Response | None:
        if how.body is not None:
            return web.Response(text=how.body, content_type="text/html")
        failed = self._failed.get(model, 0)
        if how.status == 200 or (how.failures is not None and failed >= how.failures):
            return None
        self._failed[model] = failed + 1
        headers = {} if how.retry_after_s is None else {"Retry-After": f"{how.retry_after_s:g}"}
        return web.json_response(_error(how.error, how.status), status=how.status, headers=headers)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body, how = await self._receive(request)
        if refusal := self._refusal(body["model"], how):
            return refusal
        for role in {each["role"] for each in body["messages"]} - set(how.takes_roles or _ROLES):
            return web.json_response(_error(f"{role.capitalize()} role not supported", 400), status=400)
        words = _words(body, how)
        if not body.get("stream"):
            await asyncio.sleep(how.first_token_s + how.between_tokens_s * len(words))
            return web.json_response(_whole(body, how, words))
        return await self._stream(request, body, how, words)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], how: Behaviour, words: list[str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            if how.sends is not None:
                await _send(response, how.sends)
                if how.drop_after is not None:
                    raise _Dropped
                return response
            async for payload in self._payloads(body, how, words):
                await _write(response, f"data: {payload}\n\n".encode(), how.write_bytes)
        except (asyncio.CancelledError, ConnectionResetError):
            self.abandoned += 1
            raise
        except _Dropped:
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _payloads(self, body: dict[str, Any], how: Behaviour, words: list[str]) -> AsyncIterator[str]:
        yield _chunk(body, {"role": "assistant", "content": ""})
        if how.reasoning:
            yield _chunk(body, {"reasoning_content": how.reasoning})
        await asyncio.sleep(how.first_token_s)
        for sent, word in enumerate([*words, None]):
            if sent == how.stall_after:
                await asyncio.sleep(3600)
            if sent == how.drop_after:
                raise _Dropped
            if sent == how.garbage_after:
                yield '{"choices": [{"delta": '
            if sent == how.error_after:
                yield json.dumps(_error(how.error, 500))
                return
            if word is not None:
                self.tokens_sent += 1
                yield _chunk(body, {"content": word})
                await asyncio.sleep(how.between_tokens_s)
        yield _chunk(body, {}, how.finish_reason)
        if how.has_usage and (body.get("stream_options") or {}).get("include_usage"):
            yield json.dumps(
                {**_head(body, "chat.completion.chunk"), "choices": [], "usage": _usage(body, words)}
            )
        if how.has_done:
            yield "[DONE]"

    async def _embeddings(self, request: web.Request) -> web.Response:
        body, how = await self._receive(request)
        if refusal := self._refusal(body["model"], how):
            return refusal
        await asyncio.sleep(how.first_token_s)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = [embed(text, body.get("dimensions") or how.dimensions, how.family) for text in texts]
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(vector, body.get("encoding_format")),
            }
            for index, vector in enumerate(vectors[: len(vectors) - how.vectors_missing])
        ]
        count = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})


class _Dropped(Exception): ...


def embed(text: str, dimensions: int, family: str = "") -> list[float]:
    """Return a unit vector that is near for texts with the same words (feature hashing)."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.blake2b(f"{family}{word}".encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:7]) % dimensions] += 1 if digest[7] & 1 else -1
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else embed(f"{text} zero", dimensions, family)


def _overrides(query: str) -> dict[str, Any]:
    kinds = {item.name: str(item.type) for item in fields(Behaviour)}
    return {name: _cast(value, kinds[name]) for name, value in parse_qsl(query)}


def _cast(value: str, kind: str) -> str | int | float | bool:
    if "bool" in kind:
        return value == "true"
    if "float" in kind:
        return float(value)
    return int(value) if "int" in kind else value


def _prompt(body: dict[str, Any]) -> str:
    return "\n".join(str(message["content"]) for message in body["messages"])


def _words(body: dict[str, Any], how: Behaviour) -> list[str]:
    text = how.text if how.text is not None else GROUNDED if "[1]" in _prompt(body) else UNGROUNDED
    words = re.findall(r"\S+\s*|\s+", text)
    if how.tokens is not None:
        words = [f"{words[index % len(words)].rstrip()} " for index in range(how.tokens)]
    return words


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": body["model"]}


def _chunk(body: dict[str, Any], delta: dict[str, str], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return json.dumps({**_head(body, "chat.completion.chunk"), "choices": [choice]})


def _whole(body: dict[str, Any], how: Behaviour, words: list[str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": how.finish_reason}
    usage = {"usage": _usage(body, words)} if how.has_usage else {}
    return {**_head(body, "chat.completion"), "choices": [choice], **usage}


def _usage(body: dict[str, Any], words: list[str]) -> dict[str, int]:
    asked = len(_prompt(body).split())
    return {"prompt_tokens": asked, "completion_tokens": len(words), "total_tokens": asked + len(words)}


def _error(message: str, status: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "fake_error", "param": None, "code": status}}


def _encoded(vector: list[float], encoding: str | None) -> list[float] | str:
    if encoding == "base64":  # what the openai client asks for by default
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


async def _send(response: web.StreamResponse, sends: Sequence[bytes | float]) -> None:
    for each in sends:
        if isinstance(each, bytes):
            await response.write(each)
        else:
            await asyncio.sleep(each)


async def _write(response: web.StreamResponse, data: bytes, size: int | None) -> None:
    for start in range(0, len(data), size or len(data)):
        await response.write(data[start : start + (size or len(data))])
        if size:
            await asyncio.sleep(0)  # one TCP write each


@contextmanager
def running_in_thread(**options: Any) -> Iterator[OpenAIServer]:
    """Yield a started server that lives in a loop of its own, for tests that are not async."""
    server = OpenAIServer(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _serve(port: int) -> None:
    async with OpenAIServer(port=port) as server:
        print(f"Listening on {server.base_url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A fake OpenAI server on the loopback interface.")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(parser.parse_args().port))
