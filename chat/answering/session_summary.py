"""Summaries of what falls out of a session's window, so that a long conversation is not forgotten.

A prompt holds the last exchanges of a session (chat.answering.history). When they do not fit any more, the older ones
are retold in a few sentences by the model that answered last, together with the summary before. That waits in
the queue of answers, behind all that somebody waits for, and never in front of an answer. The half of the
window that is left grows again before the next summary is due.

A session's row is written by whoever claimed it last (its fence), and only while the user wants a summary. If
the model or the process fails, the row stays as it was, and the next answer asks again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from chat.models import Answer, Session, Summary
from core.db.statements import Plan, statement
from core.db.threads import to_thread
from core.leases import lease_end_sql
from inference.errors import BadReply, InferenceError
from models_registry.completion import Completion
from models_registry.errors import SecretMissing
from models_registry.models import Endpoint

from . import prompts
from .answer import count_usage
from .history import MAX_TOKENS, MAX_TURNS, Exchange, History, as_messages, load_history, tokens_of

logger = logging.getLogger(__name__)

KEPT_TOKENS, KEPT_TURNS = MAX_TOKENS // 2, MAX_TURNS // 2  # the newest exchanges, in their own words
MIN_TOKENS = 300  # less than this is not worth a call
READ_TOKENS = 2_000  # of exchanges in one call
LOOKED_AT = 60  # turns before the last; what is older when a session gets its first summary stays out
SUMMARY_TOKENS = 300  # as long as one may get
SUMMARY_CHARACTERS = 4_000


# --- when ----------------------------------------------------------------------------------------


def is_due(history: History, left_out: int) -> bool:
    """Say whether enough has fallen out of the window, after an answer whose prompt left out so many exchanges."""
    if len(history.exchanges) >= MAX_TURNS:
        return True
    return left_out > 0 and len(_older(history.exchanges)) > 0


def enqueue_summary(session_id: UUID, endpoint: Endpoint) -> None:
    """Put the session's summary into the queue, unless it is there or the user wants none."""
    Summary.objects.get_or_create(pk=session_id)
    is_free = Q(status=Summary.Status.IDLE) | Q(status=Summary.Status.RUNNING, lease_until__lt=Now())
    waiting = {"status": Summary.Status.QUEUED, "endpoint": endpoint, "queued_at": Now()}
    Summary.objects.filter(is_free, pk=session_id, is_off=False).update(**waiting)


# --- what the user wants -------------------------------------------------------------------------


def summary_of(session: Session) -> Summary:
    """Return the session's summary, or the empty one that it has before the first."""
    return Summary.objects.filter(pk=session.pk).first() or Summary(session=session)


@transaction.atomic
def switch_summary(session: Session, is_on: bool) -> Summary:
    """Forget the summary and write no more, or begin again. The messages stay as they are."""
    Summary.objects.get_or_create(pk=session.pk)
    summary = Summary.objects.select_for_update().get(pk=session.pk)
    if summary.is_off == is_on:
        summary.is_off = not is_on
        summary.text, summary.last_turn, summary.written_at, summary.error = "", None, None, ""
        summary.status = Summary.Status.IDLE
        summary.fence += 1  # what is being written is refused
        summary.save()
    return summary


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Material:
    """What is to be retold."""

    earlier: str  # the summary so far
    exchanges: Sequence[Exchange]
    has_more: bool  # than one call reads


async def write_summary(summary: Summary) -> None:
    """Write the next text of a claimed summary. Cancel it to leave that to another process."""
    material, call, text, error = None, None, "", ""
    try:
        material = await to_thread(_material)(summary)
        if material:
            call = _open_call(summary, material)
            text = await call.run()
            error = "" if text else "The model wrote nothing."
    except (InferenceError, SecretMissing) as problem:
        error = str(problem)
    except Exception:
        logger.exception("The summary of session %s failed", summary.pk)
        error = "Something went wrong here; the log has the details."
    except BaseException:  # cancelled: the process leaves
        await to_thread(_put_back)(summary, call)
        raise
    await to_thread(_finish)(summary, call, material, text, error)


def _material(summary: Summary) -> _Material | None:
    """Return the exchanges that are to go into the summary; None if there are too few."""
    turns = summary.session.turns
    waiting = (Answer.Status.QUEUED, Answer.Status.RUNNING)
    # An answer that is being written may still change what came of its turn.
    before = turns.filter(answers__status__in=waiting).order_by("created_at").first()
    before = before or turns.order_by("-created_at").first()
    if before is None or (summary.last_turn and summary.last_turn.created_at >= before.created_at):
        return None
    history = load_history(before, LOOKED_AT)
    older = _older(history.exchanges)
    if not older:
        return None
    room = summary.endpoint.context_limit - 2 * SUMMARY_TOKENS if summary.endpoint else 0
    read = _read(older, min(READ_TOKENS, room - tokens_of(prompts.summarising(summary.text, ()))))
    return _Material(history.summary, read, has_more=len(read) < len(older))


def _older(exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """Return the exchanges before the newest that are kept as they are; none if those are hardly any."""
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
    """Return the oldest that fit together: at least one, cut if it must be."""
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
    """Return the call of the model that retells the material. Raises BadReply if the model is gone."""
    if summary.endpoint is None:
        raise BadReply("The model that was to write it was removed.")
    said = [(each.question, each.answer or "(no answer)") for each in material.exchanges]
    return Completion(summary.endpoint, prompts.summarising(material.earlier, said), SUMMARY_TOKENS)


# --- keeping -------------------------------------------------------------------------------------


@transaction.atomic
def _finish(
    summary: Summary, call: Completion | None, material: _Material | None, text: str, error: str
) -> None:
    """End the claim: with a new text, or with the old one."""
    fields: dict[str, object] = {"status": Summary.Status.IDLE, "error": error}
    if material and text:
        fields |= {
            "text": text[:SUMMARY_CHARACTERS],
            "last_turn": material.exchanges[-1].turn_id,
            "written_at": Now(),
        }
        if material.has_more:
            fields |= {"status": Summary.Status.QUEUED, "queued_at": Now()}
    _claimed_row(summary).update(**fields)
    _bill(summary, call)


@transaction.atomic
def _put_back(summary: Summary, call: Completion | None) -> None:
    _claimed_row(summary).update(status=Summary.Status.QUEUED)
    _bill(summary, call)


def _claimed_row(summary: Summary) -> QuerySet[Summary]:
    """Return the row while the claim holds."""
    return Summary.objects.filter(pk=summary.pk, fence=summary.fence, status=Summary.Status.RUNNING)


def _bill(summary: Summary, call: Completion | None) -> None:
    """Add what the call took, whatever became of its text."""
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
    """Renew leases. Returns those that we still hold."""
    [rows] = yield [(_RENEW, [Answer.LEASE.total_seconds(), list(fences), list(fences.values())])]
    return {id for (id,) in rows}
