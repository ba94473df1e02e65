"""Explains a search to a user: its trace in words, with the text of each candidate that the user may read."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from documents.access import hidden_from
from documents.models import Document
from documents.parsing.headings import without_headings
from workspaces.access import workspaces_for

from . import IN_PROMPT

EXCERPT_CHARACTERS = 200
PAGE_SIZE = 10  # candidates; the page folds the others
_LEGS = {"dense": "By meaning", "lexical": "By words", "rerank": "Reranked by the cross-encoder"}
_STAGES = {"embed question": "Question to vector", "total": "Whole search"}
_MERGED = re.compile(r"merged with (\d+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate, as the page shows it."""

    found: Mapping[str, Any]  # retrieval.Found
    title: str
    place: str  # "Fees › Late payment, page 3"; "" without structure, or if the user may not read it
    excerpt: str
    href: str  # "": the user may not read it
    fate: str  # used in the prompt, or why it was left out, in words

    @property
    def is_in_prompt(self) -> bool:
        return bool(self.found["fate"] == IN_PROMPT)


@dataclass(frozen=True, slots=True)
class ExplainedLeg:
    name: str
    term: str
    found: int
    took_ms: float
    error: str


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    term: str  # its name in the trace
    took_ms: float


@dataclass(frozen=True, slots=True)
class Explanation:
    trace: Mapping[str, Any]
    legs: tuple[ExplainedLeg, ...]
    stages: tuple[Stage, ...]  # how long each took, in order
    rows: tuple[Row, ...]  # best first

    @property
    def first_rows(self) -> Sequence[Row]:
        return self.rows[: max(PAGE_SIZE, sum(row.is_in_prompt for row in self.rows))]

    @property
    def other_rows(self) -> Sequence[Row]:
        return self.rows[len(self.first_rows) :]

    @property
    def longest_ms(self) -> float:
        return max((stage.took_ms for stage in self.stages), default=0.0)

    @property
    def has_reranked(self) -> bool:
        return any(row.found["rerank_score"] is not None for row in self.rows)


def explain_search(user: User, trace: Mapping[str, Any], at: datetime) -> Explanation:
    """Return the explanation of a trace, limited to what this user may read.

    at: when the search ran. The text of a document that changed since then is not shown.
    """
    candidates = trace.get("candidates", ())
    texts = _texts(user, candidates, at)
    rows = tuple(_row(found, texts.get(number)) for number, found in enumerate(candidates))
    legs = tuple(_legs(trace))
    return Explanation(trace, legs, tuple(_stages(trace, legs)), rows)


def _legs(trace: Mapping[str, Any]) -> Iterator[ExplainedLeg]:
    for leg in trace.get("legs", ()):
        name = leg["name"]
        yield ExplainedLeg(_LEGS.get(name, name), name, leg["found"], leg["took_ms"], leg["error"])


def _stages(trace: Mapping[str, Any], legs: Sequence[ExplainedLeg]) -> Iterator[Stage]:
    timings = dict(trace.get("timings_ms", {}))
    total = timings.pop("total", None)
    if trace.get("caches", {}).get("retrieval") == "hit":
        timings, legs = {}, ()  # the trace has those of the earlier search, which are no part of this total
    for name, took_ms in timings.items():
        yield Stage(_STAGES.get(name, name.capitalize()), name, took_ms)
    for leg in legs:
        yield Stage(leg.name, leg.term, leg.took_ms)
    if total is not None:
        yield Stage(_STAGES["total"], "total", total)


def _row(found: Mapping[str, Any], text: "_Text | None") -> Row:
    fate = _fate(found)
    if text is None:
        return Row(found, "A document that was deleted, or is not shared with you", "", "", "", fate)
    return Row(found, text.title, text.place, text.excerpt, text.href, fate)


def _fate(found: Mapping[str, Any]) -> str:
    fate = found["fate"]
    if fate == IN_PROMPT:
        return f"In the prompt as [{found['passage']}]" if found.get("passage") else "In the prompt"
    if merged := _MERGED.fullmatch(fate):
        return f"In the prompt, joined to [{merged[1]}]"
    return f"Left out: {fate}"


# --- the texts of candidates ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    place: str
    excerpt: str
    href: str


# Load only the excerpt of each section from the database: a section may be a whole book.
_EXCERPTS = """
    SELECT wanted.number, section.title_path, section.page,
        substr(section.text, wanted.start + 1, least(wanted.finish - wanted.start, %s))
    FROM unnest(%s::int[], %s::uuid[], %s::int[], %s::int[], %s::int[])
        AS wanted(number, document, position, start, finish)
    JOIN documents_document AS document ON document.id = wanted.document
    JOIN workspaces_workspace AS workspace ON workspace.id = document.workspace_id
    JOIN documents_section AS section ON section.document_id = document.id
        AND section.position = wanted.position AND section.index_number = workspace.index_number
"""


def _texts(user: User, candidates: Sequence[Mapping[str, Any]], at: datetime) -> dict[int, _Text]:
    """Return the readable texts by the candidate's number in the list. Makes two queries."""
    ids = {UUID(found["document_id"]) for found in candidates}
    readable = Document.objects.filter(pk__in=ids, workspace__in=workspaces_for(user))
    documents = {str(each.pk): each for each in readable.exclude(pk__in=hidden_from(user))}
    shown = [(n, found) for n, found in enumerate(candidates) if found["document_id"] in documents]
    same = [(n, found) for n, found in shown if _is_same(documents[found["document_id"]], at)]
    excerpts = _excerpts(same)
    return {
        n: _text(found, documents[found["document_id"]], *excerpts.get(n, ([], None, "")))
        for n, found in shown
    }


def _is_same(document: Document, at: datetime) -> bool:
    return document.ready_at is None or document.ready_at <= at


def _excerpts(
    wanted: Sequence[tuple[int, Mapping[str, Any]]],
) -> dict[int, tuple[list[str], int | None, str]]:
    if not wanted:
        return {}
    columns = zip(
        *((n, each["document_id"], each["section"], each["start"], each["end"]) for n, each in wanted),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(_EXCERPTS, [EXCERPT_CHARACTERS + 1, *map(list, columns)])
        return {number: (json.loads(path), page, text) for number, path, page, text in cursor.fetchall()}


def _text(
    found: Mapping[str, Any], document: Document, path: list[str], page: int | None, text: str
) -> _Text:
    if not text:
        text = "The document has changed since then."
    elif len(text) > EXCERPT_CHARACTERS:
        text = text[:EXCERPT_CHARACTERS].rsplit(maxsplit=1)[0] + "…"
    place = ", ".join(filter(None, (" › ".join(path[-2:]), f"page {page}" if page else "")))
    where = urlencode({"section": found["section"], "start": found["start"], "end": found["end"]})
    address = reverse("document", args=[document.workspace_id, document.pk])
    return _Text(document.title, place, without_headings(text, path), f"{address}?{where}#passage")
