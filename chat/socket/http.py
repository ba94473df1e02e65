"""The frames of the socket over plain HTTP, for browsers behind a proxy that lets no WebSocket through.

The page sends each frame as a request, and follows answers as server-sent events of the REST API.
"""

from typing import Any

from django.http import Http404, JsonResponse
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from chat.asking import turns
from chat.errors import BadFrame, QuestionRefused

from . import actions, frames


@require_POST
def receive(request: UserRequest) -> JsonResponse:
    """Take a frame, and reply with the frames that the socket would send at once."""
    message_id = ""
    try:
        frame = frames.parse_frame(request.body.decode(errors="replace"))
        message_id = getattr(frame.data, "message_id", "")
        said = _act(request, frame)
    except BadFrame as error:
        said = _error(str(error), error.message_id)
    except (QuestionRefused, Http404) as error:
        said = _error(str(error), message_id)
    return JsonResponse({"frames": [said] if said else []})


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
