"""The document list of a workspace: its filters, its counts, and the version hashes for live updates."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.http import QueryDict

from core.db.folded_text import Folded
from core.text import storable, uuid_or_none
from documents.fields.filters import Filters, conditions_of, filters_in, inputs_of, matching
from documents.ingestion.health import is_stuck, stuck
from documents.models import Address, Document, SourceHold
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

PER_PAGE = 50
_S = Document.Status


def _needs_attention() -> Q:
    """Return the condition for documents that failed or are stuck, and sources that are held or have a failed page."""
    parents = Document.objects.filter(parent__isnull=False, status=_S.FAILED).values("parent")
    held = SourceHold.objects.filter(kept_at=None).values("source")
    return Q(status=_S.FAILED) | stuck() | Q(pk__in=parents) | Q(pk__in=held)


# The status filters, and the documents that each one selects
STATUSES: dict[str, Callable[[], Q]] = {
    "": lambda: Q(),
    "working": lambda: Q(status__in=(_S.PENDING, _S.PROCESSING)),
    "attention": _needs_attention,
    "ready": lambda: Q(status=_S.READY),
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The filters of the document list, parsed from the query string."""

    status: str = ""  # a key of STATUSES
    kind: str = ""
    words: str = ""  # in the title
    within: UUID | None = None  # a website or feed: list its pages or posts
    filters: Filters = field(default_factory=dict)  # by metadata
    problem: str = ""  # why the given filters are not valid, as a sentence

    @classmethod
    def parse(cls, workspace: Workspace, query: QueryDict) -> "ListQuery":
        """Return the filters of a query string. Ignore values that are not valid."""
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
        """Return the query string of these filters, with some of them changed."""
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
    total: int  # in the workspace, without any filter
    may_retry: bool  # the list shows what needs attention, and some documents failed

    @property
    def is_working(self) -> bool:
        return any(each.count for each in self.filters if each.name == "working")

    @property
    def has_sources(self) -> bool:
        return any(kind in (Document.Kind.SITE, Document.Kind.FEED) for kind, *_ in self.kinds)

    @property
    def shape(self) -> str:
        """Return a hash of the documents on this page, their order and their total number."""
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
    """Return a hash that changes with everything that the document's row shows."""
    return _short(document.pk, document.updated_at, document.status, document.progress_done)


def _short(*facts: Any) -> str:
    return f"{zlib.crc32(repr(facts).encode()):08x}"


def listing(seen: QuerySet[Document], workspace: Workspace, choice: ListQuery, page: str | None) -> Listing:
    """Return a page of the selected documents: failed ones first, then the newest.

    seen: the result of `documents_for`.
    """
    # Metadata filters also match pages and posts, whatever source they belong to.
    rows = matching(seen, workspace, choice.filters) if choice.filters else seen.filter(parent=choice.within)
    kinds = {row["kind"]: row["n"] for row in rows.order_by().values("kind").annotate(n=Count("pk"))}
    if choice.kind:
        rows = rows.filter(kind=choice.kind)
    if choice.words:
        rows = rows.filter(title__folded__contains=Folded(Value(choice.words)))
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
        # Count again only if a filter changed the number: a filter without matches is not an empty workspace.
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
            is_held=Exists(SourceHold.objects.filter(source=OuterRef("pk"))),
            failed_count=Coalesce(children.values("failed"), 0) + Coalesce(unread_count, 0),
            is_stuck=is_stuck(),
        )
        .order_by(failed_first, F("created_at").desc(), "pk")
    )
