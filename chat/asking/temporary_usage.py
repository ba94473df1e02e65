"""What a temporary chat has cost: it stays when the chat is deleted, without any word."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from chat.answering.answer_request import build_bare_request
from chat.answering.history import load_history
from chat.log.follow import read_log
from chat.models import Answer, Session, Summary, TemporaryUsage
from chat.queue.lost_attempts import usage_of_lost_attempts


def keep_usage(session: Session) -> None:
    """Store the usage of a temporary chat. The caller's transaction deletes the chat."""
    TemporaryUsage.objects.bulk_create(each for each in _usage_of(session) if each.is_any)


def _usage_of(session: Session) -> Iterator[TemporaryUsage]:
    answers = Answer.objects.filter(turn__session=session).select_related("turn__session", "endpoint")
    for answer in answers.defer("trace", "text"):
        if answer.status == Answer.Status.RUNNING:
            _add_usage_so_far(answer)
        yield _row(session, answer, answer.endpoint_name, answer.created_at)
    for summary in Summary.objects.filter(session=session).select_related("endpoint"):
        yield _row(session, summary, summary.endpoint.name if summary.endpoint else "", summary.queued_at)


def _row(session: Session, used: Answer | Summary, model: str, asked_at: datetime) -> TemporaryUsage:
    return TemporaryUsage(
        user=session.owner,
        endpoint=used.endpoint,
        endpoint_name=model,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost=used.cost,
        asked_at=asked_at,
    )


def _add_usage_so_far(answer: Answer) -> None:
    """Count an answer that is still being written like an interrupted attempt."""
    if answer.endpoint is None:
        return
    question = build_bare_request(answer.turn, answer.endpoint, load_history(answer.turn))
    for each in usage_of_lost_attempts(question, bool(answer.turn.workspace_id), read_log(answer.pk)):
        answer.input_tokens += each["input_tokens"]
        answer.output_tokens += each["output_tokens"]
        answer.cost += Decimal(each["cost"])
