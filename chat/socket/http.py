"""The frames of the socket over plain HTTP, for browsers behind a proxy that lets no WebSocket through.

The page sends each frame as a request, and follows answers as server-sent events of the REST API.
"""

from math import ceil
from typing import Any

from django.http import Http404, JsonResponse
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from chat.asking import turns
from chat.errors import BadFrame, QuestionRefused
from core.rest.errors import error_response

from . import actions, frames


@require_POST
def receive(request: UserRequest) -> JsonResponse:
    """Take a frame, and reply with the frames that the socket would send at once."""
    try:
        frame = frames.parse_frame(request.body.decode(errors="replace"))
    except BadFrame as error:
        return _paced(request, None) or _reply(_error(str(error), error.message_id))
    return _paced(request, frame) or _reply(_answer(request, frame))


def _paced(request: UserRequest, frame: frames.Frame | None) -> JsonResponse | None:
    """Return status 429 while this user sends too many frames, over HTTP and on sockets together."""
    if wait_s := actions.spend_frame(request.user.pk, frame):
        sentence = "Too many messages at once. Wait a moment, then send it again."
        return error_response(429, sentence, headers={"Retry-After": str(ceil(wait_s))})
    return None


def _reply(said: dict[str, Any] | None) -> JsonResponse:
    return JsonResponse({"frames": [said] if said else []})


def _answer(request: UserRequest, frame: frames.Frame) -> dict[str, Any] | None:
    try:
        return _act(request, frame)
    except (QuestionRefused, Http404) as error:
        return _error(str(error), getattr(frame.data, "message_id", ""))


def _act(request: UserRequest, frame: frames.Frame) -> dict[str, Any] | None:
    match frame:
        case frames.RunFrame(data=data):
            return {"action": "accepted", "data": actions.submit(request.user, data)}
        case frames.RegenerateFrame(data=data):
            return {"action": "accepted", "data": actions.regenerate(request.user, data)}
        case frames.StopFrame(data=data):
            turns.stop(request.user, data.answer_id)
    return None


def _error(words: str, message_id: str) -> dict[str, Any]:
    return {"action": "error", "data": {"message": words, "messageId": message_id}}
