"""Explains how an answer came about: its search (documents.retrieval.explain) and the stages around it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from django.urls import reverse

from accounts.models import User
from chat.models import Answer
from documents.doors import IN_PROMPT, Explanation, Row, Stage, explain_search

from .presenters import EXCERPT_CHARACTERS, place


def explain_answer(user: User, answer: Answer) -> Explanation:
    """Return the explanation of an answer. answer: as `answer_to_read` returned it to this user."""
    told = explain_search(user, answer.trace, answer.started_at or answer.created_at)
    rows = told.rows or tuple(_rows_of_passages(answer))
    return replace(told, rows=rows, stages=(*_before(answer), *told.stages, *_after(answer)))


def _before(answer: Answer) -> Iterator[Stage]:
    if answer.started_at:
        waited_ms = _ms(answer.created_at, answer.started_at)  # the clocks of two machines may disagree
        yield Stage("Waiting in the queue", "queued", max(0.0, waited_ms))


def _after(answer: Answer) -> Iterator[Stage]:
    if answer.started_at and answer.first_token_at:
        search_ms = answer.trace.get("timings_ms", {}).get("total", 0.0)
        reading_ms = _ms(answer.started_at, answer.first_token_at) - search_ms
        yield Stage("The model reads the prompt", "until the first token", max(0.0, reading_ms))
    if answer.first_token_at and answer.ended_at:
        yield Stage("The model writes", "after the first token", _ms(answer.first_token_at, answer.ended_at))


def _ms(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000


def _rows_of_passages(answer: Answer) -> Iterator[Row]:
    """Yield a row for each passage, for old answers whose traces have no candidates."""
    ranks = {each["number"]: each for each in answer.trace.get("passages", ())}
    nothing = dict.fromkeys(
        ("dense_rank", "dense_score", "lexical_rank", "lexical_score", "rerank_score", "score")
    )
    for passage in answer.passages.all():
        found = {**nothing, **ranks.get(passage.number, {}), "fate": IN_PROMPT, "passage": passage.number}
        yield Row(
            found={"rank": None, "rerank_rank": None, **found},
            title=passage.document_title,
            place=place(passage),
            excerpt=passage.text[:EXCERPT_CHARACTERS],
            href=reverse("answer-passage", args=[answer.pk, passage.number]),
            fate=f"In the prompt as [{passage.number}]",
        )
