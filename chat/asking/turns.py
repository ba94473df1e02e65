"""A question is recorded exactly once, and will be answered, whatever happens to whoever asked.

The client makes the message id; a key in the database makes it unique within its session. So a resend, a
double click, a second tab and a redelivery all find the same turn, and nothing is begun twice.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from django.http import Http404
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import User
from chat.answering.answer_request import Parameters
from chat.answering.imported_history import ImportedHistory
from chat.asking.sessions import sessions_for, title_of
from chat.errors import QuestionRefused
from chat.log import writer
from chat.log.events import Stopped
from chat.models import Answer, AnswerPassage, Session, Turn
from chat.queue import runner
from chat.queue.record import FirstEvents, SubmittedTurn, insert_turn, insert_version
from core.db.statements import Plan, columns, row_of, statement
from core.db.threads import retry_on_disconnect, to_thread
from core.text import storable, uuid_or_none
from documents.doors import Filters, conditions_of, hidden_from
from models_registry.models import Endpoint
from workspaces.access import limited_for, workspace_for
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

MAX_MODELS = 4  # side by side
MAX_ANSWERS = 40  # of one turn, versions among them
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


_NO_ANSWER = "There is no such answer."


@dataclass(frozen=True, slots=True)
class Question:
    """One message of a user, as a client sends it."""

    session_id: UUID | None  # None: a new session; a new id is also fine, then the client knows it already
    message_id: str  # made by the client, a new one for each message
    text: str
    workspace_id: UUID | None = None
    filters: Filters = field(default_factory=dict)  # which of the workspace's documents
    endpoints: Sequence[Endpoint] = ()  # at most MAX_MODELS; one answer each; none: the default model
    parameters: Parameters = field(default_factory=Parameters)
    preface: ImportedHistory | None = None  # of a new session whose client keeps its history itself
    is_batch: bool = False  # nobody waits for the answer: those whom somebody waits for go first


def submit(user: User, ask: Question) -> Turn:
    """Return the turn of this message: recorded now, or, for a resend, the one there is.

    Raises Refused, and Http404 for a session or a workspace that is not this user's.
    """
    _check(ask)
    session_id = ask.session_id or _id_of_new_session(user, ask.message_id)
    try:
        turn = _insert(user, session_id, ask) or _find_turn(user, session_id, ask)
    except (QuestionRefused, Http404):  # but a resend finds its turn, whatever became of what it asked for
        turn = _find_turn(user, session_id, ask)
        if turn is None:
            raise
    if turn is None:
        raise Http404("There is no such session.")
    if turn.text != storable(ask.text):
        raise QuestionRefused("This message id was used for another text before: send it with a new one.")
    return turn


async def submit_async(user: User, ask: Question) -> tuple[Turn, FirstEvents]:
    """Do what `submit` does, in the event loop of a web process, which begins to answer if it has room.

    Returns the events, too, that the logs of the answers begin with, if they were recorded here and now.
    """
    _check(ask)
    session_id = ask.session_id or _id_of_new_session(user, ask.message_id)
    try:
        if ask.endpoints and not ask.workspace_id:
            record = _record(user, session_id, ask)
        else:  # it asks the database
            record = await to_thread(_record)(user, session_id, ask)
        if begun := await runner.admit(record):
            return record.turn, begun
    except (QuestionRefused, Http404):
        pass  # `submit` knows of resends
    return await retry_on_disconnect(to_thread(submit))(user, ask), {}


@dataclass(frozen=True, slots=True)
class Regeneration:
    """A wish for another version of an answer, as a client sends it."""

    answer_id: UUID
    message_id: str  # made by the client, a new one for each version
    endpoint: Endpoint | None = None  # None: the model it had
    parameters: Parameters | None = None  # None: those it had


def regenerate(user: User, again: Regeneration) -> tuple[Answer, bool]:
    """Return the new version of an answer, and whether it was recorded now: a resend finds the one there is.

    It stands in the lane of the old one, which is kept. If the conversation goes on with that lane, then
    with the new version, as soon as it has words. Raises Refused, and Http404 for an answer of others.
    """
    _check_message_id(again.message_id)
    old = answer_for(user, again.answer_id)
    versions = Answer.objects.filter(turn=old.turn_id, message_id=again.message_id)
    if found := versions.first():
        return found, False
    new = _version(old, again)
    with transaction.atomic():
        if not insert_version(new):
            return versions.get(), False
        sessions_for(user).filter(pk=old.turn.session_id).update(updated_at=new.created_at)
        transaction.on_commit(runner.wake)
    return new, True


def continue_with(user: User, answer_id: UUID) -> None:
    """Have later turns build on this answer instead of the others to its turn. Raises Refused."""
    answer = answer_for(user, answer_id)
    if not answer.has_words:
        raise QuestionRefused(
            "The conversation goes on with an answer that has ended and has words: choose another one."
        )
    Answer.objects.filter(pk=answer_id).update(chosen_at=timezone.now())


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
        raise Http404(_NO_ANSWER)
    return found


def answer_to_read(user: User, answer_id: UUID) -> Answer:
    """Return the answer with the passages that this user may still see. Raises Http404 as `answer_for`."""
    answer = answer_for(user, answer_id)
    prefetch_related_objects([answer], Prefetch("passages", passages_for(user)))
    return answer


def answer_to_follow(user: User, answer_id: UUID) -> Answer:
    """Return the answer whose log, with all its passages, may be sent. Raises Http404, and Refused.

    One being written was begun for what its user may see now.
    """
    answer = answer_for(user, answer_id)
    if answer.has_ended:
        check_prompt(user, answer)
    return answer


def check_prompt(user: User, answer: Answer) -> None:
    """Raise Refused if a document that was quoted in the answer's prompt is above this user's level now."""
    if rests_on_hidden(user, answer):
        raise QuestionRefused(
            "This answer rests on documents above your access level now: reload the page to read it."
        )


def rests_on_hidden(user: User, answer: Answer) -> bool:
    """Say if a document that was quoted in its prompt is above this user's access level now."""
    return AnswerPassage.objects.filter(_is_hidden_from(user), answer=answer).exists()


def passages_for(user: User) -> QuerySet[AnswerPassage]:
    """Return the passages of answers whose documents are not above this user's access level."""
    return AnswerPassage.objects.exclude(_is_hidden_from(user))


def _is_hidden_from(user: User) -> Q:
    """Of a document that is gone, nobody knows the level any more: whoever does not see all does not see it."""
    gone = Q(document=None, answer__turn__workspace__in=limited_for(user))
    return Q(document__in=hidden_from(user)) | gone


_NAMED = f"""
    SELECT {columns(Endpoint, "e")} FROM models_registry_endpoint AS e
    WHERE e.kind = 'chat' AND e.is_enabled AND (e.id = %s::uuid OR e.name = %s::text)
        AND %s::text IN ('', e.provider)
"""


@statement
def find_models(name: str, names: Sequence[str] = (), provider: str = "") -> Plan[list[Endpoint]]:
    """Return the chat models with this name or these names, or ids; none, the default, for an empty name.

    Raises Refused.
    """
    if name and names:
        raise QuestionRefused("Send modelName for one model or modelNames for several, not both.")
    wanted = [storable(each) for each in names or filter(None, [name])]
    found = yield [(_NAMED, [uuid_or_none(each), each, storable(provider)]) for each in wanted]
    for each, rows in zip(wanted, found, strict=True):
        if not rows:
            raise QuestionRefused(f"There is no chat model {each[:80]!r}: choose another one.")
    return [row_of(Endpoint, rows[0]) for rows in found]


_HAS_ENDED = """
    SELECT a.status = ANY(%s) FROM chat_answer AS a
    JOIN chat_turn AS t ON t.id = a.turn_id
    JOIN chat_session AS s ON s.id = t.session_id
    WHERE a.id = %s AND s.user_id = %s
"""


@statement
def _has_ended(user: User, answer_id: UUID) -> Plan[bool]:
    [rows] = yield [(_HAS_ENDED, [[str(each) for each in Answer.ENDED], answer_id, user.pk])]
    if not rows:
        raise Http404(_NO_ANSWER)
    return bool(rows[0][0])


async def check_followable(user: User, answer_id: UUID) -> None:
    """Raise what `answer_to_follow` does. In the event loop, unless the answer has ended."""
    if await _has_ended.aio(user, answer_id):
        await to_thread(answer_to_follow)(user, answer_id)


# --- what is asked -------------------------------------------------------------------------------


def _check(ask: Question) -> None:
    _check_message_id(ask.message_id)
    if not storable(ask.text).strip():
        raise QuestionRefused("The question is empty: write something.")
    if len(ask.text) > settings.QUESTION_MAX_CHARACTERS:
        raise QuestionRefused(
            f"The question has {len(ask.text):,} characters, and {settings.QUESTION_MAX_CHARACTERS:,} are "
            "allowed: shorten it, or add the text to a workspace as a document."
        )
    _check_endpoints(ask.endpoints)
    _check_parameters(ask.parameters)


def _check_message_id(message_id: str) -> None:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise QuestionRefused("A message id has 1 to 64 letters, digits and the signs . _ : - in it.")


def _check_endpoints(endpoints: Sequence[Endpoint]) -> None:
    if len(endpoints) > MAX_MODELS:
        raise QuestionRefused(f"At most {MAX_MODELS} models answer side by side: choose fewer.")
    if len({each.pk for each in endpoints}) < len(endpoints):
        raise QuestionRefused("A model answers once: choose different ones.")
    if not all(each.is_enabled and each.kind == Endpoint.Kind.CHAT for each in endpoints):
        raise QuestionRefused("This model is not offered any more: choose another one.")


def _check_parameters(parameters: Parameters) -> None:
    if not 1 <= parameters.max_tokens <= 8192:
        raise QuestionRefused("The length of the answer must be from 1 to 8,192 tokens.")
    if not 0 <= parameters.temperature <= 2:
        raise QuestionRefused("The temperature must be from 0 to 2.")
    if not 0 <= parameters.top_p <= 1:
        raise QuestionRefused("Top-p must be from 0 to 1.")


def _check_filters(workspace: Workspace | None, filters: Filters) -> None:
    if filters and workspace is None:
        raise QuestionRefused(
            "A filter chooses among the documents of a workspace: choose one, or ask without the filter."
        )
    try:
        if workspace:
            conditions_of(workspace, filters)
    except InvalidValue as problem:
        raise QuestionRefused(str(problem)) from problem


def _default_endpoint() -> Endpoint:
    default = Endpoint.objects.default_chat() or Endpoint.objects.offered(Endpoint.Kind.CHAT).first()
    if default is None:
        raise QuestionRefused(
            "There is no chat model yet: an operator adds one in the admin, under Endpoints."
        )
    return default


# --- recording -----------------------------------------------------------------------------------


def _id_of_new_session(user: User, message_id: str) -> UUID:
    """Return the same id for the same message, so that a resend finds the session its first attempt made."""
    digest = salted_hmac("chat.session", f"{user.pk} {message_id}", algorithm="sha256").digest()
    return UUID(bytes=digest[:16], version=4)


def _find_turn(user: User, session_id: UUID, ask: Question) -> Turn | None:
    turns = Turn.objects.filter(session_id=session_id, session__user=user, message_id=ask.message_id)
    return turns.first()


def _insert(user: User, session_id: UUID, ask: Question) -> Turn | None:
    """Record the question. None: it is recorded already, or the session is somebody else's."""
    record = _record(user, session_id, ask)
    if not insert_turn(record):
        return None
    transaction.on_commit(runner.wake)
    return record.turn


def _record(user: User, session_id: UUID, ask: Question) -> SubmittedTurn:
    workspace = workspace_for(user, ask.workspace_id) if ask.workspace_id else None
    _check_filters(workspace, ask.filters)
    endpoints = ask.endpoints or [_default_endpoint()]
    text = storable(ask.text)
    preface = ask.preface.as_json() if ask.preface else None
    session = Session(pk=session_id, user=user, title=title_of(text), preface=preface)
    turn = Turn(
        session=session,
        message_id=ask.message_id,
        text=text,
        workspace=workspace,
        filters=dict(ask.filters),
    )
    answers = [_answer(turn, lane, endpoint, ask) for lane, endpoint in enumerate(endpoints)]
    return SubmittedTurn(session, turn, answers)


def _answer(turn: Turn, lane: int, endpoint: Endpoint, ask: Question) -> Answer:
    return Answer(
        turn=turn,
        lane=lane,
        endpoint=endpoint,
        endpoint_name=endpoint.name,
        parameters=asdict(ask.parameters),
        is_batch=ask.is_batch,
    )


def _version(old: Answer, again: Regeneration) -> Answer:
    """Return the answer to record in the lane of the old one. Raises Refused."""
    endpoint, parameters = again.endpoint or old.endpoint, again.parameters or Parameters(**old.parameters)
    if endpoint is None:
        raise QuestionRefused(f"The model {old.endpoint_name} was removed: choose another one.")
    _check_endpoints([endpoint])
    _check_parameters(parameters)
    if not old.has_ended:
        raise QuestionRefused("This answer is still being written: wait for its end, or stop it first.")
    if old.turn.answers.count() >= MAX_ANSWERS:
        raise QuestionRefused(f"This question has {MAX_ANSWERS} answers already: ask it anew.")
    going_on = old.turn.goes_on_with()
    return Answer(
        turn=old.turn,
        lane=old.lane,
        message_id=again.message_id,
        endpoint=endpoint,
        endpoint_name=endpoint.name,
        parameters=asdict(parameters),
        chosen_at=timezone.now() if going_on and going_on.lane == old.lane else None,
    )


def _end_unbegun(answer: Answer) -> None:
    answer.status, answer.ended_at = Answer.Status.STOPPED, timezone.now()
    answer.save(update_fields=["status", "ended_at"])
    writer.append_unclaimed(answer, Stopped())
