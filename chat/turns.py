"""A question is recorded exactly once, and will be answered, whatever happens to whoever asked.

The client makes the message id; a key in the database makes it unique within its session. So a resend, a
double click, a second tab and a redelivery all find the same turn, and nothing is begun twice.
"""

import re
from dataclasses import asdict, dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import User
from models_registry.models import Endpoint
from workspaces.access import workspace_for

from . import log, runner
from .answer import Parameters as Parameters
from .events import Event, storable
from .models import Answer, Session, Turn
from .record import record

TITLE_CHARACTERS = 80
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Refused(Exception):
    """The question cannot be taken as it is. `str()` says why and what to do, for people."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One message of a user, as a client sends it."""

    session_id: UUID | None  # None: a new session; a new id is also fine, then the client knows it already
    message_id: str  # made by the client, a new one for each message
    text: str
    workspace_id: UUID | None = None
    endpoint_id: UUID | None = None  # None: the default model
    endpoint: Endpoint | None = None  # instead of its id, when it was found just now
    parameters: Parameters = field(default_factory=Parameters)


def submit(user: User, ask: Ask) -> Turn:
    """Return the turn of this message: recorded now, or, for a resend, the one there is.

    Raises Refused, and Http404 for a session or a workspace that is not this user's.
    """
    _check(ask)
    session_id = ask.session_id or _id_of_new_session(user, ask.message_id)
    try:
        turn = _recorded(user, session_id, ask) or _found(user, session_id, ask)
    except (Refused, Http404):  # but a resend finds its turn, whatever became of what it asked for
        turn = _found(user, session_id, ask)
        if turn is None:
            raise
    if turn is None:
        raise Http404("There is no such session.")
    if turn.text != storable(ask.text):
        raise Refused("This message id was used for another text before: send it with a new one.")
    return turn


def stop(user: User, answer_id: UUID) -> None:
    """Have an answer end where it is; its words are kept. Nothing happens if it has ended."""
    answer_for(user, answer_id)
    with transaction.atomic():
        answer = Answer.objects.select_for_update().get(pk=answer_id)
        if answer.status == Answer.Status.QUEUED:
            _end_unbegun(answer)
        elif not answer.has_ended:
            answer.stop_requested = True
            answer.save(update_fields=["stop_requested"])
            transaction.on_commit(lambda: runner.stop(answer_id))


def answer_for(user: User, answer_id: UUID) -> Answer:
    """Return the answer. Raises Http404 if there is none, or if it is to somebody else's question."""
    answers = Answer.objects.select_related("turn__session", "turn__workspace", "endpoint")
    found = answers.filter(pk=answer_id, turn__session__user=user).first()
    if found is None:
        raise Http404("There is no such answer.")
    return found


def sessions_for(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user)


def session_for(user: User, id: UUID) -> Session:
    """Return the session. Raises Http404 if there is none, or if it is somebody else's."""
    found = sessions_for(user).filter(pk=id).first()
    if found is None:
        raise Http404("There is no such session.")
    return found


def delete(user: User, id: UUID) -> None:
    """Delete a session with its turns and answers. What is being written for it ends by itself."""
    session_for(user, id).delete()


def endpoint_named(name: str, provider: str = "") -> UUID | None:
    """Return the id of the chat model with this name or id; None, the default, for an empty name.

    Raises Refused.
    """
    found = model_named(name, provider)
    return found.pk if found else None


def model_named(name: str, provider: str = "") -> Endpoint | None:
    """Return the chat model with this name or id; None, the default, for an empty name. Raises Refused."""
    if not name:
        return None
    models = Endpoint.objects.offered(Endpoint.Kind.CHAT)
    if provider:
        models = models.filter(provider=provider)
    found = models.filter(_named(name)).first()
    if found is None:
        raise Refused(f"There is no chat model {name[:80]!r}: choose another one.")
    return found


def _named(name: str) -> Q:
    try:
        return Q(pk=UUID(name))
    except ValueError:
        return Q(name=storable(name))


# --- what is asked -------------------------------------------------------------------------------


def _check(ask: Ask) -> None:
    if not _MESSAGE_ID.fullmatch(ask.message_id):
        raise Refused("A message id has 1 to 64 letters, digits and the signs . _ : - in it.")
    if not storable(ask.text).strip():
        raise Refused("The question is empty: write something.")
    if len(ask.text) > settings.QUESTION_MAX_CHARACTERS:
        raise Refused(
            f"The question has {len(ask.text):,} characters, and {settings.QUESTION_MAX_CHARACTERS:,} are "
            "allowed: shorten it, or add the text to a workspace as a document."
        )
    _check_parameters(ask.parameters)


def _check_parameters(parameters: Parameters) -> None:
    if not 1 <= parameters.max_tokens <= 8192:
        raise Refused("The length of the answer must be from 1 to 8,192 tokens.")
    if not 0 <= parameters.temperature <= 2:
        raise Refused("The temperature must be from 0 to 2.")
    if not 0 <= parameters.top_p <= 1:
        raise Refused("Top-p must be from 0 to 1.")


def _endpoint(id: UUID | None) -> Endpoint:
    offered = Endpoint.objects.offered(Endpoint.Kind.CHAT)
    if id is not None:
        chosen = offered.filter(pk=id).first()
        if chosen is None:
            raise Refused("This model is not offered any more: choose another one.")
        return chosen
    default = Endpoint.objects.default_chat() or offered.first()
    if default is None:
        raise Refused("There is no chat model yet: an operator adds one in the admin, under Endpoints.")
    return default


# --- recording -----------------------------------------------------------------------------------


def _id_of_new_session(user: User, message_id: str) -> UUID:
    """Return the same id for the same message, so that a resend finds the session its first attempt made."""
    digest = salted_hmac("chat.session", f"{user.pk} {message_id}", algorithm="sha256").digest()
    return UUID(bytes=digest[:16], version=4)


def _found(user: User, session_id: UUID, ask: Ask) -> Turn | None:
    turns = Turn.objects.filter(session_id=session_id, session__user=user, message_id=ask.message_id)
    return turns.first()


def _recorded(user: User, session_id: UUID, ask: Ask) -> Turn | None:
    """Record the question. None: it is recorded already, or the session is somebody else's."""
    workspace = workspace_for(user, ask.workspace_id) if ask.workspace_id else None
    endpoint = ask.endpoint or _endpoint(ask.endpoint_id)
    text = storable(ask.text)
    session = Session(pk=session_id, user=user, title=_title(text))
    turn = Turn(session_id=session_id, message_id=ask.message_id, text=text, workspace=workspace)
    answer = Answer(
        turn=turn, endpoint=endpoint, endpoint_name=endpoint.name, parameters=asdict(ask.parameters)
    )
    if not record(session, turn, answer):
        return None
    transaction.on_commit(runner.wake)
    turn._state.adding = answer._state.adding = False
    turn.just_recorded = [answer]
    return turn


def _title(question: str) -> str:
    title = " ".join(question[: 4 * TITLE_CHARACTERS].split())
    return title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1].rstrip()}…"


def _end_unbegun(answer: Answer) -> None:
    answer.status, answer.ended_at = Answer.Status.STOPPED, timezone.now()
    answer.save(update_fields=["status", "ended_at"])
    log.end_unclaimed(answer, Event("stopped", {}))
