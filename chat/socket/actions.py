"""What the frames of a client do, and the data of the "accepted" frame, which answers them."""

from collections.abc import Hashable, Sequence
from typing import Any

from django.conf import settings

from accounts.models import User
from chat.answering.answer_request import Parameters
from chat.asking import turns
from chat.models import Answer, Turn
from core.rate import Buckets
from documents.doors import in_words
from models_registry.models import Endpoint

from . import frames

_BURST_S = 5  # the frames of so many seconds may come at once
_ACK_COST = 0.05  # of a frame: it needs no query
_frames = Buckets(settings.FRAMES_PER_SECOND, _BURST_S * settings.FRAMES_PER_SECOND)


def spend_frame(user: Hashable, frame: frames.Frame | None) -> float:
    """Count a frame, or one that is not valid (None), of this user on all connections together.

    Return 0, or the seconds after which it may be counted again: until then it must not be acted on.
    """
    return _frames.spend(user, _ACK_COST if isinstance(frame, frames.AckFrame) else 1)


def submit(user: User, data: frames.RunData) -> dict[str, Any]:
    """Record a question. Raises QuestionRefused, Http404."""
    endpoints = turns.find_models(data.model_name, data.model_names, data.provider)
    turn = turns.submit(user, question_of(data, endpoints))
    return acceptance(turn.message_id, turn, turn.first_answers())


def question_of(data: frames.RunData, endpoints: Sequence[Endpoint]) -> turns.Question:
    return turns.Question(
        session_id=data.session_id,
        message_id=data.message_id,
        text=data.text,
        workspace_id=data.workspace_id,
        filters=data.filters,
        endpoints=endpoints,
        parameters=_parameters(data.model_kwargs),
        follows=data.follows_id,
        edits=data.edits_id,
        is_temporary=data.temporary,
    )


def regenerate(user: User, data: frames.RegenerateData) -> dict[str, Any]:
    """Record a request for another version. Raises QuestionRefused, Http404."""
    endpoint = next(iter(turns.find_models(data.model_name, provider=data.provider)), None)
    parameters = _parameters(data.model_kwargs) if data.model_kwargs else None
    answer, _ = turns.regenerate(
        user, turns.Regeneration(data.answer_id, data.message_id, endpoint, parameters, data.continues)
    )
    return acceptance(data.message_id, answer.turn, [answer]) | {"replaces": str(data.answer_id)}


def acceptance(message_id: str, turn: Turn, answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "sessionId": str(turn.session_id),
        "turnId": str(turn.pk),
        "parentId": str(turn.parent_id) if turn.parent_id else None,
        "answers": [{"answerId": str(each.pk), "model": each.endpoint_name} for each in answers],
        **({"filterWords": in_words(turn.filters)} if turn.filters else {}),
    }


def _parameters(chosen: frames.ModelKwargs) -> Parameters:
    return Parameters(chosen.max_tokens, chosen.temperature, chosen.top_p, chosen.streaming)
