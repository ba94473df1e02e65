"""The ingestion admin: which documents wait, are being ingested, are stuck or failed, why, and what comes next."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import User
from core.admin.cells import time_ago
from core.admin.labels import LabelledFormSet, LabelledTabularInline
from documents.ingestion.dead_letters import discard, replay
from documents.ingestion.deletion import delete_document
from documents.ingestion.endpoint_waits import find_endpoint_alarms
from documents.ingestion.health import is_stuck, report_alarms
from documents.ingestion.restart import restart

from .models import BatchEntry, Document, LedgerEntry
from .sources import admin as _sources  # noqa: F401 (registers its admin page)
from .status_filters import StateOfDocument, status_badge

_S = Document.Status


_NAMED = 100  # documents on the page that confirms their deletion
_SHOWN = 50  # rows of the ledger on a document's page


class _LastRows(LabelledFormSet):
    """The last rows only: a document may have thousands."""

    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_last"):
            rows = super().get_queryset()
            last = rows.order_by("-pk").values_list("pk", flat=True)[:_SHOWN]
            self._last = rows.filter(pk__in=list(last))
        return self._last


class _LedgerInline(LabelledTabularInline):
    extra = 0
    formset: type[LabelledFormSet] = _LastRows
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LedgerInline(_LedgerInline):
    model = LedgerEntry
    fields = ("attempt", "stage", "outcome", "started_at", "finished_at", "detail")
    verbose_name_plural = "stages, in the order they ran"


class BatchInline(_LedgerInline):
    model = BatchEntry
    fields = ("attempt", "ordinal", "chunk_count", "embedded_count", "took_ms", "at")
    verbose_name_plural = "batches of passages"
    classes = ("collapse",)


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin[Document]):
    list_display = (
        "title", "state", "stage", "progress", "last_error", "attempt", "next_attempt", "workspace", "size", "added",
    )  # fmt: skip
    list_filter = (StateOfDocument, "stage", "workspace", "kind")
    list_select_related = ("workspace",)
    search_fields = ("title", "error")
    actions = ("replay_selected", "discard_selected", "retry_selected")
    inlines = (LedgerInline, BatchInline)
    show_facets = admin.ShowFacets.ALWAYS
    fieldsets = (
        (None, {"fields": ("title", "workspace", "page")}),
        (
            "Status",
            {"fields": (("state", "stage", "progress"), "attempt", "error", "next_attempt_at")},
        ),
        (
            "Content",
            {"fields": (("media_type", "size"), "language", ("page_count", "chunk_count"), "content_sha256")},
        ),
        ("History", {"fields": ("created_by", "created_at", "ready_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return super().get_queryset(request).annotate(is_stuck=is_stuck())

    @admin.display(description="state", ordering="status")
    def state(self, document: Any) -> str:
        return status_badge(document, is_stuck=document.is_stuck)

    @admin.display(description="progress")
    def progress(self, document: Document) -> str:
        if document.status == _S.READY:
            return f"{document.chunk_count:,} passage{'s' * (document.chunk_count != 1)}"
        return f"{document.percent} %" if document.progress_total else "–"

    @admin.display(description="last error", ordering="error")
    def last_error(self, document: Document) -> str:
        return format_html(
            '<span title="{}">{}</span>', document.error, truncatechars(document.error, 80) or "–"
        )

    @admin.display(description="size", ordering="size_bytes")
    def size(self, document: Document) -> str:
        return filesizeformat(document.size_bytes)

    @admin.display(description="next attempt", ordering="next_attempt_at")
    def next_attempt(self, document: Document) -> str:
        return time_ago(document.next_attempt_at)

    @admin.display(ordering="created_at")
    def added(self, document: Document) -> str:
        return time_ago(document.created_at)

    @admin.display(description="page")
    def page(self, document: Document) -> str:
        address = reverse("document", args=[document.workspace_id, document.pk])
        return format_html('<a href="{}">Open the document</a>', address)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        for alarm in report_alarms() + find_endpoint_alarms():
            self.message_user(request, f"Stuck: {alarm.sentence}", messages.ERROR)
        return super().changelist_view(request, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Document | None = None) -> bool:
        return False

    # --- actions ------------------------------------------------------------------------------

    @admin.action(description="Discard failed documents (deletes them)", permissions=["view"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        count = discard(queryset, cast(User, request.user))
        self.message_user(request, f"Failed documents discarded: {count}.", messages.SUCCESS)

    @admin.action(description="Replay failed documents", permissions=["view"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        count = replay(queryset, cast(User, request.user))
        self.message_user(
            request, f"Failed documents that will be ingested again: {count}.", messages.SUCCESS
        )

    @admin.action(description="Retry: read and embed again", permissions=["view"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        count = sum(restart(document, cast(User, request.user)) for document in queryset)
        self.message_user(request, f"Documents that will be ingested again: {count}.", messages.SUCCESS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return only the first documents and their number, without their thousands of sections and ledger rows."""
        count = objs.count() if isinstance(objs, QuerySet) else len(objs)
        titles = [str(each) for each in objs[:_NAMED]]
        more = [f"… and {count - _NAMED:,} more"] if count > _NAMED else []
        return [*titles, *more], {"documents": count}, set(), []

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        delete_document(obj, cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        for document in queryset:
            self.delete_model(request, document)
