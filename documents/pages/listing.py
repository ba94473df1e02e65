"""The documents of a workspace as a page shows them: which, how many of each, and what changed since."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.http import QueryDict

from core.text import storable, uuid_or_none
from documents.fields.filters import Filters, conditions_of, filters_in, inputs_of, matching
from documents.ingestion.health import is_stuck, stuck
from documents.models import Address, Document
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

PER_PAGE = 50
_S = Document.Status


def _needs_attention() -> Q:
    """It failed, it is stuck, or something that was found through it failed."""
    parents = Document.objects.filter(parent__isnull=False, status=_S.FAILED).values("parent")
    return Q(status=_S.FAILED) | stuck() | Q(pk__in=parents)


# What people filter by, and what it means
STATUSES: dict[str, Callable[[], Q]] = {
    "": lambda: Q(),
    "working": lambda: Q(status__in=(_S.PENDING, _S.PROCESSING)),
    "attention": _needs_attention,
    "ready": lambda: Q(status=_S.READY),
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which documents somebody wants to see, as the address says it."""

    status: str = ""  # a key of STATUSES
    kind: str = ""
    words: str = ""  # in the title
    within: UUID | None = None  # the website or feed they were found through
    filters: Filters = field(default_factory=dict)  # by what is known of them
    problem: str = ""  # with the filters that were asked for, in words

    @classmethod
    def parse(cls, workspace: Workspace, query: QueryDict) -> "ListQuery":
        """Return what the address asks for; what means nothing is left out."""
        status, kind = query.get("status", ""), query.get("kind", "")
        filters, problem = filters_in(query), ""
        try:
            conditions_of(workspace, filters)
        except InvalidValue as wrong:
            filters, problem = {}, str(wrong)
        return cls(
            status if status in STATUSES else "",
            kind if kind in Document.Kind.values else "",
            storable(query.get("q", "")).strip()[:200],
            uuid_or_none(query.get("in", "")),
            filters,
            problem,
        )

    def address(self, page: int = 1, **changes: Any) -> str:
        """Return the query of this choice with something changed."""
        chosen = replace(self, **changes)
        pairs = [("q", chosen.words), ("kind", chosen.kind), ("status", chosen.status), ("in", chosen.within)]
        said = [(name, value) for name, value in pairs if value] + inputs_of(chosen.filters)
        return "?" + urlencode([*said, ("page", page)] if page > 1 else said)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.status or self.kind or self.words or self.filters)


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    label: str
    count: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Listing:
    choice: ListQuery
    page: Page[Document]
    filters: list[Filter]
    kinds: list[tuple[str, str, int]]  # value, label, how many
    total: int  # in the workspace, whatever was chosen
    may_retry: bool  # those that failed are asked for, and there are some

    @property
    def is_working(self) -> bool:
        return any(each.count for each in self.filters if each.name == "working")

    @property
    def has_sources(self) -> bool:
        return any(kind in (Document.Kind.SITE, Document.Kind.FEED) for kind, *_ in self.kinds)

    @property
    def shape(self) -> str:
        """Tells whether the same documents stand in the same order."""
        return _short(*(document.pk for document in self.page), self.page.paginator.count)

    @property
    def counts_version(self) -> str:
        return _short(*(each.count for each in self.filters))

    @property
    def address(self) -> str:
        return self.choice.address(self.page.number)

    @property
    def previous(self) -> str:
        return self.choice.address(self.page.previous_page_number())

    @property
    def following(self) -> str:
        return self.choice.address(self.page.next_page_number())


def version(document: Document) -> str:
    """Changes with everything that a row says."""
    return _short(document.pk, document.updated_at, document.status, document.progress_done)


def _short(*facts: Any) -> str:
    return f"{zlib.crc32(repr(facts).encode()):08x}"


def listing(seen: QuerySet[Document], workspace: Workspace, choice: ListQuery, page: str | None) -> Listing:
    """Return a page of the chosen documents, what needs attention first, then the newest.

    seen: what `documents_for` returned.
    """
    # A filter asks about pages and posts themselves, wherever they were found.
    rows = matching(seen, workspace, choice.filters) if choice.filters else seen.filter(parent=choice.within)
    kinds = {row["kind"]: row["n"] for row in rows.order_by().values("kind").annotate(n=Count("pk"))}
    if choice.kind:
        rows = rows.filter(kind=choice.kind)
    if choice.words:
        rows = rows.filter(title__icontains=choice.words)
    counts = rows.aggregate(
        **{f"n_{name}": Count("pk", filter=q()) for name, q in STATUSES.items() if name}, n_=Count("pk")
    )
    labels = {"": "All", "working": "Working", "attention": "Needs attention", "ready": "Ready"}
    return Listing(
        choice,
        Paginator(_order(rows.filter(STATUSES[choice.status]())), PER_PAGE).get_page(page),
        [
            Filter(name, label, counts[f"n_{name}"], choice.address(status=name), name == choice.status)
            for name, label in labels.items()
        ],
        [(value, label, kinds[value]) for value, label in Document.Kind.choices if value in kinds],
        # Counted anew only where it is not the same: a filter that leaves nothing is no empty workspace.
        seen.count() if choice.filters or choice.within else sum(kinds.values()),
        choice.status == "attention" and seen.filter(status=_S.FAILED).exists(),
    )


def _order(rows: QuerySet[Document]) -> QuerySet[Document]:
    failed = Count("pk", filter=Q(status=_S.FAILED))
    children = Document.objects.filter(parent=OuterRef("pk")).order_by().values("parent")
    children = children.annotate(n=Count("pk"), failed=failed)
    unread = Address.objects.filter(source__document=OuterRef("pk"), state=Address.State.FAILED)
    unread = unread.exclude(document__status=_S.FAILED).order_by()
    unread_count = unread.values("source").annotate(n=Count("pk")).values("n")
    failed_first = Case(When(status=_S.FAILED, then=0), default=1)
    return (
        rows.select_related("created_by")
        .annotate(
            child_count=children.values("n"),
            failed_count=Coalesce(children.values("failed"), 0) + Coalesce(unread_count, 0),
            is_stuck=is_stuck(),
        )
        .order_by(failed_first, F("created_at").desc(), "pk")
    )
