"""Admin of workspaces for operators. Workspaces are created, configured and deleted on their own pages."""

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import RecordsRows, UserAdmin
from accounts.models import User
from core.admin.cells import time_ago
from core.admin.labels import LabelledFormSet, LabelledTabularInline

from .errors import MembershipRefused
from .languages import named
from .members import check_managers_remain
from .models import Membership, Role, Workspace
from .settings import change_settings


class _MembershipFormSet(LabelledFormSet):
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        filled = [form for form in self.forms if form.cleaned_data.get("role")]
        ends = [form for form in filled if form.cleaned_data.get("DELETE") or not _is_manager(form)]
        gains = {
            form.instance.workspace_id for form in filled if form not in ends and "role" in form.changed_data
        }
        ending = Membership.objects.filter(pk__in=[form.instance.pk for form in ends], role=Role.MANAGER)
        try:
            with transaction.atomic():
                check_managers_remain(list(ending.select_related("user", "workspace")), gains)
        except MembershipRefused as refusal:
            raise ValidationError(str(refusal)) from refusal


def _is_manager(form: Any) -> bool:
    return bool(form.cleaned_data["role"] == Role.MANAGER)


class MemberInline(LabelledTabularInline):
    model = Membership
    formset = _MembershipFormSet
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    extra = 0
    verbose_name_plural = "members"


class RoleInline(LabelledTabularInline):
    model = Membership
    formset = _MembershipFormSet
    fields = ("workspace", "role")
    autocomplete_fields = ("workspace",)
    extra = 0
    verbose_name = "role"
    verbose_name_plural = "roles in workspaces"


UserAdmin.inlines = (RoleInline,)  # accounts is a lower layer and does not know workspaces


@admin.register(Workspace)
class WorkspaceAdmin(RecordsRows, admin.ModelAdmin[Workspace]):
    list_display = (
        "name", "health", "document_count", "chunk_count", "size", "member_count", "embedder", "changed", "page",
    )  # fmt: skip
    list_filter = ("engine", "embedder")
    list_select_related = ("embedder",)
    search_fields = ("name", "description")
    inlines = (MemberInline,)
    readonly_fields = (
        "page", "health", "document_count", "chunk_count", "size", "engine", "languages_named", "embedder", "dimensions",
        "reranker", "condenser", "merges_neighbours", "most_per_document", "relevance_floor", "summarizer", "metric", "index_kind", "is_hybrid", "parser", "chunking", "chunk_size", "chunk_overlap",
        "created_by", "created_at", "updated_at",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "description", "page")}),
        ("Status", {"fields": ("health", ("document_count", "chunk_count", "size"))}),
        (
            "Settings of its index",
            {
                "fields": ("engine", ("embedder", "dimensions"), "metric", "index_kind"),
                "description": "Its chunk table and its vectors depend on these. To change them, build a new "
                "index on the workspace's own settings page.",
            },
        ),
        (
            "Search and chunking",
            {
                "fields": (
                    "languages_named",
                    ("is_hybrid", "reranker", "condenser", "summarizer"),
                    ("merges_neighbours", "most_per_document", "relevance_floor"),
                    "parser",
                    "chunking",
                    ("chunk_size", "chunk_overlap"),
                ),
                "description": "Change these on the workspace's own settings page.",
            },
        ),
        ("Dates", {"fields": ("created_by", "created_at", "updated_at"), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        # `documents` is a higher layer, so only strings name it: this list must show documents that are
        # stuck.
        return (
            super()
            .get_queryset(request)
            .filter(deleted_at=None)
            .annotate(
                failed=Count("documents", filter=Q(documents__status="failed"), distinct=True),
                working=Count(
                    "documents", filter=Q(documents__status__in=("pending", "processing")), distinct=True
                ),
                people=Count("memberships", distinct=True),
            )
        )

    @admin.display(description="health")
    def health(self, workspace: Any) -> str:
        if workspace.failed:
            return format_html('<span class="state failing">{} failed</span>', workspace.failed)
        if workspace.working:
            return format_html('<span class="state working">working on {}</span>', workspace.working)
        return format_html('<span class="state well">{}</span>', "Ready")

    @admin.display(description="size", ordering="size_bytes")
    def size(self, workspace: Workspace) -> str:
        return filesizeformat(workspace.size_bytes)

    @admin.display(description="languages")
    def languages_named(self, workspace: Workspace) -> str:
        return ", ".join(named(code) for code in workspace.languages)

    @admin.display(ordering="updated_at")
    def changed(self, workspace: Workspace) -> str:
        return time_ago(workspace.updated_at)

    @admin.display(description="members", ordering="people")
    def member_count(self, workspace: Any) -> int:
        return int(workspace.people)

    @admin.display(description="page")
    def page(self, workspace: Workspace) -> str:
        return format_html('<a href="{}">Open</a>', reverse("workspace", args=[workspace.pk]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Workspace, form: ModelForm[Workspace], change: bool
    ) -> None:
        change_settings(cast(User, request.user), obj, name=obj.name, description=obj.description)
