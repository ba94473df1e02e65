"""Shared links in the admin: operators see whom each is for, and revoke it. They see no name: it is private text."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts.changes import form_changes
from accounts.models import User, record
from chat.models import SharedLink, SharingPolicy
from core.admin.cells import time_ago
from core.admin.read_only import ReadOnlyAdmin
from workspaces.models import Workspace

from .links import revoke_links
from .policy import current_policy


@admin.register(SharedLink)
class SharedLinkAdmin(ReadOnlyAdmin):
    list_display = ("made", "owner", "audience", "shown_as_of", "ends", "is_open")
    list_filter = ("audience", ("ends_at", admin.DateFieldListFilter))
    list_select_related = ("session__user",)
    search_fields = ("session__user__username",)
    fields = ("owner", "audience", "names_owner", "made", "shown_as_of", "ends", "is_open")
    actions = ("revoke",)

    @admin.display(ordering="created_at")
    def made(self, link: SharedLink) -> str:
        return time_ago(link.created_at)

    @admin.display(description="shared by", ordering="session__user__username")
    def owner(self, link: SharedLink) -> str:
        return str(link.session.user or "–")

    @admin.display(description="shown as of", ordering="taken_at")
    def shown_as_of(self, link: SharedLink) -> str:
        return time_ago(link.taken_at)

    @admin.display(ordering="ends_at")
    def ends(self, link: SharedLink) -> str:
        return time_ago(link.ends_at)

    @admin.display(description="open", boolean=True)
    def is_open(self, link: SharedLink) -> bool:
        owner = link.session.user
        return link.ends_at > timezone.now() and bool(owner and owner.is_active)

    @admin.action(description="Revoke the selected links", permissions=["view"])
    def revoke(self, request: HttpRequest, links: QuerySet[SharedLink]) -> None:
        count = revoke_links(cast(User, request.user), links)
        messages.success(
            request, f"{count} link{'s' if count != 1 else ''} revoked. They open nothing any more."
        )


@admin.register(SharingPolicy)
class SharingPolicyAdmin(admin.ModelAdmin[SharingPolicy]):
    """The one row of settings: its list leads to it."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        existing = Workspace.objects.filter(deleted_at=None).order_by("name")
        kwargs |= {"widget": CheckboxSelectMultiple, "queryset": existing}
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        policy = current_policy()
        if policy._state.adding:
            policy.save()
        return HttpResponseRedirect(reverse("admin:chat_sharingpolicy_change", args=[policy.pk]))

    def save_model(
        self, request: HttpRequest, obj: SharingPolicy, form: ModelForm[SharingPolicy], change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        record(cast(User, request.user), "share.settings", str(obj), changes=form_changes(form))
