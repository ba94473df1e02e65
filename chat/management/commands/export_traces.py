"""`manage.py export_traces`: exports answers and searches with their traces as JSON lines."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime

from chat.models import Answer
from documents.models import Search

_BATCH_ROWS = 200  # rows in memory


class Command(BaseCommand):
    help = (
        "Write answers, with their traces and ratings, and searches to standard output as JSON lines. "
        "They contain users' questions and text of documents: protect the file as you protect the documents."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=_moment, metavar="WHEN", help="a date such as 2026-05-31, or a date and time; UTC"
        )
        parser.add_argument("--until", type=_moment, metavar="WHEN")
        parser.add_argument("--workspace", metavar="NAME")
        parser.add_argument("--rated", choices=["good", "bad", "any"], help="only answers with such a rating")
        parser.add_argument("--what", choices=["answers", "searches", "all"], default="all")

    def handle(self, *, what: str, rated: str | None, **chosen: Any) -> None:
        rows: list[Iterator[dict[str, Any]]] = []
        if what != "searches":
            kept = {"turn__session__user__isnull": False, "turn__session__temporary_until": None}
            answers = Answer.objects.filter(ended_at__isnull=False, is_imported=False, **kept)
            rows.append(
                map(_answer, _filter_by_rating(_filter_rows(answers, "turn__workspace", **chosen), rated))
            )
        if what != "answers" and rated is None:
            rows.append(
                map(
                    _search,
                    _filter_rows(
                        Search.objects.select_related("workspace"), "workspace", **chosen
                    ).iterator(),
                )
            )
        for each in rows:
            for row in each:
                self.stdout.write(json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False))


def _moment(text: str) -> datetime:
    day = parse_date(text) if len(text) == 10 else None
    moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)
    if moment is None:
        raise ValueError
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Row = TypeVar("_Row", Answer, Search)


def _filter_rows(
    rows: QuerySet[_Row],
    workspace_field: str,
    *,
    since: datetime | None,
    until: datetime | None,
    workspace: str | None,
    **_: Any,
) -> QuerySet[_Row]:
    if since:
        rows = rows.filter(created_at__gte=since)
    if until:
        rows = rows.filter(created_at__lt=until)
    if workspace:
        rows = rows.filter(**{f"{workspace_field}__name": workspace})
    return rows.order_by("created_at")


def _filter_by_rating(answers: QuerySet[Answer], rated: str | None) -> Iterator[Answer]:
    if rated == "any":
        answers = answers.filter(ratings__isnull=False).distinct()
    elif rated:
        answers = answers.filter(ratings__is_good=rated == "good").distinct()
    related = answers.select_related("turn__workspace").prefetch_related("ratings")
    return related.iterator(chunk_size=_BATCH_ROWS)


def _answer(answer: Answer) -> dict[str, Any]:
    turn = answer.turn
    return {
        "kind": "answer",
        "id": answer.pk,
        "at": answer.created_at,
        "session": turn.session_id,
        "workspace": turn.workspace and turn.workspace.name,
        "question": turn.text,
        "model": answer.endpoint_name,
        "parameters": answer.parameters,
        "status": answer.status,
        "grounding": answer.grounding,
        "text": answer.text,
        "error": answer.error,
        "first_token_at": answer.first_token_at,
        "ended_at": answer.ended_at,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cost": answer.cost,
        "ratings": [
            {"is_good": each.is_good, "comment": each.comment, "at": each.updated_at}
            for each in answer.ratings.all()
        ],
        "trace": answer.trace,
    }


def _search(search: Search) -> dict[str, Any]:
    return {
        "kind": "search",
        "id": search.pk,
        "at": search.created_at,
        "workspace": search.workspace.name,
        "question": search.question,
        "outcome": search.outcome,
        "error": search.error,
        "trace": search.trace,
    }
