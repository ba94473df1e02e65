"""Websites and feeds in the admin: the state of each, its last and next visit, and what could not be read."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from accounts.models import User
from core.admin.cells import time_ago
from documents.errors import DocumentRefused
from documents.ingestion.health import stuck
from documents.ingestion.restart import restart
from documents.models import TROUBLE, Address, Document, Source, SourceHold
from documents.sources.crawl.url_normalization import display_url as plainly
from documents.status_filters import status_badge

from . import missing_pages
from .forms import options_form
from .missing_pages import describe, hold_of, outlook
from .options import change_options
from .schedule import stop_visit
from .serializers import SHOWN_TROUBLES
from .status_filters import KindOfSource, StateOfSource


def _count_addresses(condition: Q) -> Coalesce:
    """Return the number of addresses of the source in the outer query with this condition."""
    found = Address.objects.filter(condition, source=OuterRef("pk")).order_by().values("source")
    return Coalesce(Subquery(found.annotate(total=Count("pk")).values("total")), 0)


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin[Source]):
    list_display = (
        "name", "state", "pages_counted", "last_error", "last_look", "next_look", "kind", "address", "workspace",
    )  # fmt: skip
    list_filter = (StateOfSource, KindOfSource, "schedule", "document__workspace")
    list_select_related = ("document__workspace",)
    search_fields = ("document__title", "document__url", "document__workspace__name", "document__error")
    actions = ("look_now", "stop_looking", "end_schedule", "remove_missing", "keep_missing")
    show_facets = admin.ShowFacets.ALWAYS
    fieldsets = (
        (None, {"fields": ("name", "kind", "workspace", "address", "page")}),
        ("State", {"fields": (("state", "pages_counted"), "error", "held", "last_look", "next_look")}),
        ("How it is read", {"fields": ("options", "change")}),
        ("Addresses that could not be read", {"fields": ("troubles",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Count by subqueries: a join would count the pages of all sources for each number on the page."""
        waiting = Q(role=Address.Role.PAGE, state=Address.State.QUEUED)
        return (
            super()
            .get_queryset(request)
            .annotate(
                is_held=Exists(SourceHold.objects.filter(source=OuterRef("pk"))),
                is_stuck=Exists(Document.objects.filter(stuck(), pk=OuterRef("pk"))),
                searchable=_count_addresses(Q(document__status=Document.Status.READY)),
                waiting=_count_addresses(waiting),
                troubled=_count_addresses(TROUBLE),
            )
        )

    @admin.display(ordering="document__title")
    def name(self, source: Source) -> str:
        return source.document.title

    @admin.display(ordering="document__workspace__name")
    def workspace(self, source: Source) -> str:
        return source.document.workspace.name

    @admin.display(ordering="document__kind")
    def kind(self, source: Source) -> str:
        return source.document.get_kind_display()

    @admin.display(ordering="document__url")
    def address(self, source: Source) -> str:
        url = source.document.web_address
        words = truncatechars(plainly(url), 50)
        return format_html('<a href="{}" title="{}" rel="noopener noreferrer">{}</a>', url, url, words)

    @admin.display(ordering="document__status")
    def state(self, source: Any) -> str:
        badge = status_badge(source.document, is_stuck=source.is_stuck)
        return format_html('{} <span class="state waiting">Held</span>', badge) if source.is_held else badge

    @admin.display(description="pages", ordering="searchable")
    def pages_counted(self, source: Any) -> str:
        counts = {"searchable": source.searchable, "failed": source.troubled, "waiting": source.waiting}
        return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n or what == "searchable")

    @admin.display(description="last visit", ordering="visited_at")
    def last_look(self, source: Source) -> str:
        return time_ago(source.visited_at)

    @admin.display(description="next visit", ordering="next_visit_at")
    def next_look(self, source: Source) -> str:
        return time_ago(source.document.next_attempt_at or source.next_visit_at)

    @admin.display(description="last error", ordering="document__error")
    def last_error(self, source: Source) -> str:
        error = source.document.error
        return format_html('<span title="{}">{}</span>', error, truncatechars(error, 80) or "–")

    @admin.display
    def error(self, source: Source) -> str:
        return source.document.error or "–"

    @admin.display
    def held(self, source: Source) -> str:
        hold = hold_of(source)
        return f"{describe(hold)} {outlook(hold)}" if hold else "–"

    @admin.display
    def page(self, source: Source) -> str:
        return _link("document", source, "", "All its pages, with their state")

    @admin.display
    def options(self, source: Source) -> str:
        asked = options_form(source).base_fields.items()
        return _pairs((field.label, _in_words(source, name)) for name, field in asked)

    @admin.display
    def change(self, source: Source) -> str:
        return _link("document-options", source, "", "Change these options on its page")

    @admin.display(description="addresses")
    def troubles(self, source: Source) -> str:
        found = source.troubles()[:SHOWN_TROUBLES]
        if not found:
            return "–"
        told = _pairs((each.url, each.reason or (each.document and each.document.error)) for each in found)
        return format_html("{}{}", told, _link("document", source, "?status=failed", "All of them"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    # --- actions ------------------------------------------------------------------------------

    @admin.action(description="Visit now", permissions=["view"])
    def look_now(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        count = sum(restart(each.document, cast(User, request.user)) for each in queryset)
        self._tell(
            request, count, "will be visited as soon as a worker is free.", "each is already being read"
        )

    @admin.action(description="Stop, and keep the pages that were read", permissions=["view"])
    def stop_looking(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        count = sum(stop_visit(each.document, cast(User, request.user)) for each in queryset)
        self._tell(request, count, "stopped. Pages that were read stay.", "none is being read or waiting")

    @admin.action(description="Remove the schedule, and visit only on request", permissions=["view"])
    def end_schedule(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        scheduled = queryset.exclude(schedule=Source.Schedule.NEVER)
        for each in scheduled:
            change_options(each.document, cast(User, request.user), schedule=Source.Schedule.NEVER)
        self._tell(request, len(scheduled), "will be visited only on request.", "none has a schedule")

    @admin.action(description="Remove the pages that each is held for", permissions=["view"])
    def remove_missing(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._decide(request, queryset, missing_pages.remove_missing, "pages were removed.")

    @admin.action(description="Keep the pages that each is held for", permissions=["view"])
    def keep_missing(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._decide(request, queryset, missing_pages.keep_missing, "pages stay searchable.")

    def _decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[Source],
        decision: Callable[[Document, User | None], int],
        done: str,
    ) -> None:
        count = 0
        for each in queryset.filter(hold__isnull=False):
            try:
                count += decision(each.document, cast(User, request.user))
            except DocumentRefused as refusal:
                self.message_user(request, f"{each.document.title}: {refusal}", messages.WARNING)
        self._tell(request, count, done, "none is held")

    def _tell(self, request: HttpRequest, count: int, done: str, why_not: str) -> None:
        if count:
            self.message_user(request, f"{count} {done}", messages.SUCCESS)
        else:
            self.message_user(request, f"Nothing was done: {why_not}.", messages.WARNING)


def _in_words(source: Source, option: str) -> str:
    value = source.get_schedule_display() if option == "schedule" else getattr(source, option)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(value) or "–" if isinstance(value, list) else str(value)


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> str:
    return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))


def _link(view: str, source: Source, query: str, words: str) -> str:
    address = reverse(view, args=[source.document.workspace_id, source.pk])
    return format_html('<a href="{}{}">{}</a>', address, query, words)
