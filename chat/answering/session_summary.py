"""Rolling summaries of the messages that no longer fit a session's window.

A prompt holds the last exchanges of a session (chat.answering.history). When they no longer fit, the model
that answered last summarises the older ones in a few sentences, together with the previous summary. This work
waits in the queue of answers with batch priority, behind all interactive answers, and never delays an answer.
It leaves half of the window, which has to fill up again before the next summary is due.

Only the process with the latest claim writes a session's row (fencing token), and only while the user wants a
summary. If the model or the process fails, the row keeps the previous summary, and the next answer enqueues
it again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from chat.models import Answer, Session, Summary, Turn
from core.db.statements import Plan, statement
from core.db.threads import to_thread
from core.leases import lease_end_sql
from inference.errors import BadReply, InferenceError
from models_registry.completion import Completion
from models_registry.errors import EndpointError
from models_registry.models import Endpoint

from . import prompts
from .answer import count_usage
from .branches import Tree
from .history import (
    MAX_TOKENS,
    MAX_TURNS,
    Exchange,
    History,
    as_messages,
    load_history,
    tokens_of,
    without_withheld,
)
from .withholding import readable_summaries

logger = logging.getLogger(__name__)

KEPT_TOKENS, KEPT_TURNS = MAX_TOKENS // 2, MAX_TURNS // 2  # the newest exchanges, which stay verbatim
MIN_TOKENS = 300  # fewer tokens than this are not worth a call
READ_TOKENS = 2_000  # of exchanges in one call
LOOKED_AT = 60  # turns before the last that are read; a session's first summary leaves out older ones
SUMMARY_TOKENS = 300  # the longest summary
SUMMARY_CHARACTERS = 4_000


# --- scheduling ----------------------------------------------------------------------------------


def is_due(history: History, left_out: int) -> bool:
    """Return whether enough messages are outside the window.

    left_out: exchanges that the last prompt left out.
    """
    if len(history.exchanges) >= MAX_TURNS:
        return True
    return left_out > 0 and len(_older(history.exchanges)) > 0


def enqueue_summary(session_id: UUID, endpoint: Endpoint) -> None:
    """Enqueue the session's summary, unless it is queued, in progress, or switched off. Idempotent."""
    Summary.objects.get_or_create(pk=session_id)
    is_free = Q(status=Summary.Status.IDLE) | Q(status=Summary.Status.RUNNING, lease_until__lt=Now())
    waiting = {"status": Summary.Status.QUEUED, "endpoint": endpoint, "queued_at": Now()}
    Summary.objects.filter(is_free, pk=session_id, is_off=False).update(**waiting)


# --- the user's switch ---------------------------------------------------------------------------


def summary_of(session: Session) -> Summary:
    """Return the session's summary to show it; do not save it.

    It has no text if the session has no summary yet, or if its user may not see all that it may repeat any more.
    """
    summary = Summary.objects.filter(pk=session.pk).first() or Summary(session=session)
    if summary.text and not readable_summaries(session.owner).filter(pk=session.pk).exists():
        summary.text = ""
    return summary


@transaction.atomic
def switch_summary(session: Session, is_on: bool) -> Summary:
    """Switch summaries on or off for a session, and return the summary as `summary_of` does.

    A change discards the current text; the messages stay.
    """
    Summary.objects.get_or_create(pk=session.pk)
    summary = Summary.objects.select_for_update().get(pk=session.pk)
    if summary.is_off == is_on:
        summary.is_off = not is_on
        summary.text, summary.last_turn, summary.written_at, summary.error = "", None, None, ""
        # A title may wait in the same row.
        summary.status = Summary.Status.QUEUED if summary.is_title_due else Summary.Status.IDLE
        summary.fence += 1  # so that a summary in progress is rejected
        summary.save()
    return summary_of(session)


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Material:
    """The input of one summary call."""

    earlier: str  # the previous summary
    exchanges: Sequence[Exchange]
    has_more: bool  # more exchanges wait than one call reads


async def write_summary(summary: Summary) -> None:
    """Generate and store the next text of a claimed summary. If cancelled, put it back into the queue."""
    material, call, text, error = None, None, "", ""
    try:
        material = await to_thread(_material)(summary)
        if material:
            call = _open_call(summary, material)
            text = await call.run()
            error = "" if text else "The model returned an empty summary."
    except (InferenceError, EndpointError) as problem:
        error = str(problem)
    except Exception:
        logger.exception("The summary of session %s failed", summary.pk)
        error = "Something went wrong on our side. The server log has the details."
    except BaseException:  # cancelled: the process shuts down
        await to_thread(put_back)(summary, call)
        raise
    await to_thread(_finish)(summary, call, material, text, error)


def _material(summary: Summary) -> _Material | None:
    """Return the exchanges to summarise, or None if there are too few, or if the user wants no summary."""
    if summary.is_off:
        return None
    before = _turn_to_stop_at(summary)
    if before is None:
        return None
    history = without_withheld(summary.session, load_history(before, LOOKED_AT))
    older = _older(history.exchanges)
    if not older:
        return None
    room = summary.endpoint.context_limit - 2 * SUMMARY_TOKENS if summary.endpoint else 0
    read = _read(older, min(READ_TOKENS, room - tokens_of(prompts.summarising(summary.text, ()))))
    return _Material(history.summary, read, has_more=len(read) < len(older))


def _turn_to_stop_at(summary: Summary) -> Turn | None:
    """Return the first turn of the path whose outcome is open (an answer is queued or running), else the last one.

    Return None if there is no turn, or if the summary covers it already.
    """
    path = Tree.of(summary.session).path()
    waiting = (Answer.Status.QUEUED, Answer.Status.RUNNING)
    is_open = set(Turn.objects.filter(pk__in=path, answers__status__in=waiting).values_list("pk", flat=True))
    found = next((each for each in path if each in is_open), path[-1] if path else None)
    if found is None or summary.last_turn_id in path[path.index(found) :]:
        return None
    return Turn.objects.get(pk=found)


def _older(exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """Return the exchanges before the newest ones, which stay verbatim. Return none if they are too few."""
    kept, tokens = 0, 0
    for exchange in reversed(exchanges):
        tokens += _tokens(exchange)
        if kept >= KEPT_TURNS or (kept and tokens > KEPT_TOKENS):
            break
        kept += 1
    older = exchanges[: len(exchanges) - kept]
    is_much = len(older) >= KEPT_TURNS or sum(map(_tokens, older)) >= MIN_TOKENS
    return older if is_much else ()


def _tokens(exchange: Exchange) -> int:
    return tokens_of(as_messages(exchange))


def _read(exchanges: Sequence[Exchange], token_budget: int) -> Sequence[Exchange]:
    """Return the oldest exchanges that fit the budget: at least one, truncated if necessary."""
    read: list[Exchange] = []
    for exchange in exchanges:
        tokens = _tokens(exchange)
        if read and tokens > token_budget:
            break
        read.append(exchange if tokens <= token_budget else _cut(exchange, max(0, token_budget) / tokens))
        token_budget -= tokens
    return read


def _cut(exchange: Exchange, share: float) -> Exchange:
    question, told = (f"{text[: int(len(text) * share)]} …" for text in (exchange.question, exchange.answer))
    return replace(exchange, question=question, answer=told)


def _open_call(summary: Summary, material: _Material) -> Completion:
    """Return the model call that summarises the material. Raises BadReply if the endpoint was deleted."""
    if summary.endpoint is None:
        raise BadReply("The model that should write the summary was removed.")
    said = [(each.question, each.answer or "(no answer)") for each in material.exchanges]
    return Completion(summary.endpoint, prompts.summarising(material.earlier, said), SUMMARY_TOKENS)


# --- storing -------------------------------------------------------------------------------------


@transaction.atomic
def _finish(
    summary: Summary, call: Completion | None, material: _Material | None, text: str, error: str
) -> None:
    """Release the claim and store the new text, if there is one."""
    fields: dict[str, object] = {"status": Summary.Status.IDLE, "error": error}
    if material and text:
        fields |= {
            "text": text[:SUMMARY_CHARACTERS],
            "last_turn": material.exchanges[-1].turn_id,
            "written_at": Now(),
        }
        if material.has_more:
            fields |= {"status": Summary.Status.QUEUED, "queued_at": Now()}
    claimed_row(summary).update(**fields)
    bill(summary, call)


@transaction.atomic
def put_back(summary: Summary, call: Completion | None) -> None:
    claimed_row(summary).update(status=Summary.Status.QUEUED)
    bill(summary, call)


def claimed_row(summary: Summary) -> QuerySet[Summary]:
    """Return a queryset of the row that is empty once the claim is lost (fencing)."""
    return Summary.objects.filter(pk=summary.pk, fence=summary.fence, status=Summary.Status.RUNNING)


def bill(summary: Summary, call: Completion | None) -> None:
    """Add the usage of the call, even if its text is discarded."""
    if call is None:
        return
    took = count_usage(call.endpoint, call.usage())
    Summary.objects.filter(pk=summary.pk).update(
        input_tokens=F("input_tokens") + took.input_tokens,
        output_tokens=F("output_tokens") + took.output_tokens,
        cost=F("cost") + Decimal(took.cost),
    )


_RENEW = f"""
    UPDATE chat_summary AS m SET lease_until = {lease_end_sql("%s")}
    FROM unnest(%s::uuid[], %s::int[]) AS mine (id, fence)
    WHERE m.session_id = mine.id AND m.fence = mine.fence AND m.status = 'running'
    RETURNING m.session_id
"""


@statement
def renew_leases(fences: Mapping[UUID, int]) -> Plan[set[UUID]]:
    """Renew the leases of summaries. Return the ids that this process still holds."""
    [rows] = yield [(_RENEW, [Answer.LEASE.total_seconds(), list(fences), list(fences.values())])]
    return {id for (id,) in rows}
