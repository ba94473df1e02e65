"""The OpenAI-compatible API, so that OpenAI's clients work unchanged: models and chat completions.

A client sends the whole conversation with each question. So a request never continues a session: it is a turn
of a new session (docs/adr/0007-completions-are-sessions.md).
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from functools import wraps
from math import ceil
from typing import Any
from uuid import uuid4

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request as RestRequest

from accounts.identity.api_key import ApiKeyAuthentication, KeyCredential
from accounts.models import User
from accounts.rest import spend_call
from chat.asking import turns
from chat.errors import NotAllowed, QuestionRefused, UnknownModel
from chat.log import sse
from core.db.threads import retry_on_disconnect, to_thread
from core.outages import as_busy

from . import model_names
from .format import ApiError, CompletionReply, Request, conversation, model, parse_request
from .replies import ChunkDelta, Models

logger = logging.getLogger(__name__)

ERROR_STATUS_WITHIN_S = 15.0  # then a client, or a load balancer before it, needs a sign of life
_View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def _for_clients(method: str = "") -> Callable[[_View], _View]:
    """Decorate a view: require an API key and this HTTP method ("": any), and return errors in OpenAI's format."""

    def made(view: _View) -> _View:
        @csrf_exempt  # a browser does not send an API key by itself, as it does a cookie
        @login_not_required
        @wraps(view)
        async def told(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            try:
                caller = await retry_on_disconnect(to_thread(_caller))(request)
                if wait_s := spend_call(caller.user):
                    return _too_often(wait_s)
                if method and request.method != method:
                    raise ApiError(f"This address accepts only {method}.", 405)
                return await view(request, caller, **kwargs)
            except ApiError as problem:
                return JsonResponse(problem.as_json(), status=problem.status)
            except Exception as error:
                if as_busy(error):
                    raise  # the middleware replies
                logger.exception("A request of an OpenAI client failed")
                return JsonResponse(
                    ApiError("Something went wrong on our side. Try again.", 500).as_json(), status=500
                )

        return told

    return made


def _too_often(wait_s: float) -> HttpResponseBase:
    problem = ApiError("Too many requests. Wait a moment, then try again.", 429, code="rate_limit_exceeded")
    return JsonResponse(problem.as_json(), status=429, headers={"Retry-After": str(ceil(wait_s))})


def _caller(request: HttpRequest) -> KeyCredential:
    try:
        found = ApiKeyAuthentication().authenticate(RestRequest(request))
    except AuthenticationFailed as error:
        raise ApiError(str(error.detail), 401, code="invalid_api_key") from error
    if found is None:
        raise ApiError("Send an API key: Authorization: Bearer rs_...", 401, code="invalid_api_key")
    return KeyCredential(*found)


# --- models --------------------------------------------------------------------------------------


@_for_clients("GET")
async def models(request: HttpRequest, caller: KeyCredential) -> HttpResponseBase:
    names = await retry_on_disconnect(to_thread(model_names.list_names))(caller.user)
    return JsonResponse(Models(object="list", data=[model(name) for name in names]).as_json())


@_for_clients("GET")
async def one_model(request: HttpRequest, caller: KeyCredential, name: str) -> HttpResponseBase:
    await retry_on_disconnect(to_thread(_choice))(caller.user, name)
    return JsonResponse(model(name).as_json())


def _choice(user: User, name: str) -> model_names.NamedModel:
    try:
        return model_names.resolve_model(user, name)
    except UnknownModel as error:
        raise ApiError(str(error), 404, code="model_not_found", param="model") from error


@_for_clients()
async def unknown(request: HttpRequest, caller: KeyCredential, rest: str = "") -> HttpResponseBase:
    raise ApiError(
        f"There is no {request.method} {request.path[:100]} here: models and chat/completions are.",
        404,
        code="unknown_url",
    )


# --- chat completions ----------------------------------------------------------------------------


@_for_clients("POST")
async def completions(request: HttpRequest, caller: KeyCredential) -> HttpResponseBase:
    """Answer the last message, either in one reply or as a stream.

    If the client disconnects, its answer is stopped. With an Idempotency-Key the client is expected to retry,
    so the answer goes on.
    """
    asked = parse_request(_body(request))
    key = request.headers.get("Idempotency-Key")
    recording = asyncio.ensure_future(
        retry_on_disconnect(to_thread(_submit))(caller.user, asked, key or uuid4().hex)
    )
    try:
        reply = await asyncio.shield(recording)
    except asyncio.CancelledError:  # the client disconnected, but the thread that records cannot be cancelled
        reply = await recording
        if not key:
            await to_thread(_stop)(caller.user, reply)
        raise
    leave = (lambda: None) if key else (lambda: _stop(caller.user, reply))
    if asked.stream:
        return await _streamed(reply, caller, asked.stream_options.include_usage, leave)
    try:
        async with aclosing(_stream_chunks(reply, caller)) as batches:
            async for _ in batches:
                pass
    finally:
        if reply.finish_reason is None:
            await to_thread(leave)()
    return JsonResponse(reply.whole())


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig as error:
        raise ApiError("The conversation is too large: send fewer messages.", 413) from error


def _submit(user: User, asked: Request, message_id: str) -> CompletionReply:
    """Record the question, and return the reply to be filled. Raises ApiError."""
    preface, question = conversation(asked.messages)
    chosen = _choice(user, asked.model) if asked.model else model_names.NamedModel(None, None)
    ask = turns.Question(
        session_id=None,
        message_id=message_id,
        text=question,
        workspace_id=chosen.workspace.pk if chosen.workspace else None,
        filters=asked.filters,
        endpoints=[chosen.endpoint] if chosen.endpoint else [],
        parameters=asked.parameters,
        preface=preface,
    )
    try:
        turn = turns.submit(user, ask)
    except QuestionRefused as refusal:
        raise ApiError(str(refusal)) from refusal
    except Http404 as error:
        raise ApiError(str(error), 404) from error
    [answer] = turn.first_answers()
    return CompletionReply(
        answer.pk, asked.model, chosen.workspace.name if chosen.workspace else "", asked.stream
    )


def _stop(user: User, reply: CompletionReply) -> None:
    """Stop the answer, unless it has ended."""
    if reply.finish_reason is None:
        with suppress(Http404):  # the answer was deleted
            turns.stop(user, reply.answer_id)


async def _streamed(
    reply: CompletionReply, caller: KeyCredential, include_usage: bool, leave: Callable[[], None]
) -> HttpResponseBase:
    """Return the stream once the model has begun, or after a while. Raise ApiError if the answer fails before.

    Only before the stream begins can a failure have its HTTP status, which clients show, and may retry.
    """
    batches, latest = _stream_chunks(reply, caller), time.monotonic() + ERROR_STATUS_WITHIN_S
    held: list[dict[str, Any]] = []
    try:
        async for chunks in batches:
            held += chunks
            if reply.problem:
                raise reply.problem
            if reply.has_begun or time.monotonic() >= latest:
                break
    except BaseException:
        await batches.aclose()
        await to_thread(leave)()
        raise
    return sse.stream(_chunks(reply, held, batches, include_usage), leave)


async def _chunks(
    reply: CompletionReply,
    held: list[dict[str, Any]],
    rest: AsyncGenerator[list[dict[str, Any]]],
    include_usage: bool,
) -> AsyncGenerator[str]:
    begin = reply.chunk(ChunkDelta(role="assistant", content=""))
    yield "".join(map(sse.format_message, [begin, *held]))
    async with aclosing(rest) as batches:
        async for chunks in batches:
            yield "".join(map(sse.format_message, chunks)) or sse.PING
    if reply.problem:
        return
    if include_usage:
        yield sse.format_message(reply.usage_chunk())
    yield "data: [DONE]\n\n"


async def _stream_chunks(
    reply: CompletionReply, caller: KeyCredential
) -> AsyncGenerator[list[dict[str, Any]]]:
    """Yield the chunks for the answer's events, one batch at a time, until the reply is complete."""
    problem = ApiError("This answer was deleted.", 404)
    try:
        async with aclosing(sse.follow_with_checks(reply.answer_id, 0, caller)) as batches:
            async for batch in batches:
                yield [chunk for event in batch if (chunk := reply.take(event.event))]
                if reply.problem:
                    return
    except NotAllowed:
        problem = ApiError("This API key is no longer valid.", 401, code="invalid_api_key")
    if reply.finish_reason is None:
        yield [reply.fail(problem)]
