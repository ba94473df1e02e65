from shlex import quote
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Count, Field, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import truncatechars
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from core.admin.cells import time_ago
from core.admin.filters import StateFilter
from core.admin.long_lists import HELP, IndexedValuesFilter, LongListPaginator
from core.admin.read_only import ReadOnlyAdmin

from . import removal
from .admin_forms import PasswordOfUserForm, UserForm
from .changes import form_changes
from .errors import LastOperator
from .identity import api_key
from .models import ApiKey, AuditEvent, Deletion, User, record
from .status_filters import StateOfDeletion

admin.site.unregister(Group)  # roles are given per workspace, not by group

_PERSONAL_DATA = (("export_person", " FILE.zip"), ("erase_person", ""))  # commands, with their arguments
ONE_USER = "user__id__exact"  # the query parameter of the audit log that selects what one user did
_KEY_WORKS = Q(api_keys__revoked_at=None)


def _by(request: HttpRequest) -> User:
    return cast(User, request.user)


class RecordsRows:
    """Mixin for admins with inlines: audits changes of the inlines' rows too, for example as "member.add"."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save()
        noun = formset.model._meta.verbose_name
        forms = {each.instance.pk: each for each in formset.forms}
        deeds = {"add": formset.new_objects, "remove": formset.deleted_objects}
        deeds["change"] = [row for row, _fields in formset.changed_objects]
        for deed, rows in deeds.items():
            for row in rows:
                changes = {} if deed == "remove" else {"changes": form_changes(forms[row.pk])}
                record(_by(request), f"{noun}.{deed}", str(row), **changes)


class UserStateFilter(StateFilter):
    title = "role"
    parameter_name = "who"
    model = User
    states = {
        "operators": ("Operators", lambda: Q(is_superuser=True, is_active=True)),
        "members": ("Members", lambda: Q(is_superuser=False, is_active=True)),
        "deactivated": ("Deactivated", lambda: Q(is_active=False)),
    }


@admin.register(User)
class UserAdmin(RecordsRows, DjangoUserAdmin[User]):
    """Users: people and programs. Their role in each workspace is set in the inline below."""

    list_display = ("username", "full_name", "email", "is_operator", "is_active", "key_count", "seen")
    list_filter = (UserStateFilter,)
    form = UserForm
    change_password_form = PasswordOfUserForm
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (
            "Permissions",
            {
                "fields": ("is_active", "is_superuser", "user_permissions"),
                "description": "Deactivating ends their sessions and disables their keys at once. What they "
                "created stays. Their role in each workspace is set below.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined"), "classes": ("collapse",)}),
        ("Data", {"fields": ("deeds", "personal_data"), "classes": ("collapse",)}),
    )
    readonly_fields = ("last_login", "date_joined", "deeds", "personal_data")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).annotate(keys=Count("api_keys", filter=_KEY_WORKS))

    @admin.display(description="name", ordering="last_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @admin.display(description="operator", boolean=True, ordering="is_superuser")
    def is_operator(self, user: User) -> bool:
        return user.is_operator

    @admin.display(description="last login", ordering="last_login")
    def seen(self, user: User) -> str:
        return time_ago(user.last_login)

    @admin.display(description="audit log")
    def deeds(self, user: User) -> str:
        url = f"{reverse('admin:accounts_auditevent_changelist')}?{ONE_USER}={user.pk}"
        return format_html('<a href="{}">What this user did</a>', url)

    @admin.display(description="personal data")
    def personal_data(self, user: User) -> str:
        """Name the commands: conversations are private, so no page of operators shows or downloads them."""
        commands = [(f"manage.py {name} {quote(user.username)}{rest}",) for name, rest in _PERSONAL_DATA]
        return format_html_join(mark_safe("<br>"), "<code>{}</code>", commands)

    @admin.display(description="API keys", ordering="keys")
    def key_count(self, user: Any) -> int:
        return int(user.keys)

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "is_superuser":
            field.label = "Operator"
            field.help_text = "Configures models and users, and can open this console and every workspace."
        if field and db_field.name == "is_active":
            field.help_text = "Switch off instead of deleting, to lock them out without losing anything."
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "user_permissions":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        create = Permission.objects.filter(codename="add_workspace")
        return _Permissions(create, required=False, label="May also", widget=forms.CheckboxSelectMultiple)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        obj.is_staff = obj.is_superuser  # operators are exactly the users who may open the admin
        super().save_model(request, obj, form, change)
        action = "user.change" if change else "user.add"
        record(_by(request), action, obj.username, id=str(obj.pk), changes=form_changes(form))

    # The transaction holds the lock of `is_last_operator` until the password is stored.
    @method_decorator(transaction.atomic)
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = User.objects.filter(pk=unquote(id))
        before = user.values_list("password").first()
        response = super().user_change_password(request, id, form_url)
        if before and before != user.values_list("password").first():
            record(_by(request), "user.password", user.get().username, id=id)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return obj != request.user and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no deletion of several users at once: for each of them there is a choice to make."""
        return {
            name: each for name, each in super().get_actions(request).items() if name != "delete_selected"
        }

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Count what goes with the user, instead of asking if each of their rows may be deleted on its own."""
        return [], removal.owned_by(objs[0]), set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except LastOperator as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[object_id]))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        how = request.POST.get("how")
        request.outcome = _REMOVALS.get(how or "", _delete)(_by(request), obj)  # type: ignore[attr-defined]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        outcome = request.outcome  # type: ignore[attr-defined]
        self.message_user(request, f"{obj_display} {outcome}", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_user_changelist"))


def _delete(by: User, user: User) -> str:
    if removal.delete_user(by, user) is None:
        return "was deleted."
    return "is locked out, and is being deleted in the background. Deletions shows the progress."


def _anonymise(by: User, user: User) -> str:
    removal.anonymise_user(by, user)
    return "was anonymised."


def _deactivate(by: User, user: User) -> str:
    removal.deactivate_user(by, user)
    return "was switched off: nothing is lost, and you can switch the account on again."


_REMOVALS = {"delete": _delete, "anonymise": _anonymise, "deactivate": _deactivate}


class _Permissions(forms.ModelMultipleChoiceField[Permission]):
    def label_from_instance(self, permission: Any) -> str:
        return "create workspaces"


class KeyStateFilter(StateFilter):
    title = "state"
    parameter_name = "state"
    model = ApiKey
    states = {
        "works": ("Works", lambda: Q(revoked_at=None, user__is_active=True)),
        "unused": ("Never used", lambda: Q(revoked_at=None, last_used_at=None)),
        "revoked": ("Revoked", lambda: Q(revoked_at__isnull=False)),
    }


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    list_display = ("name", "prefix", "user", "issued", "used", "revoked")
    list_filter = (KeyStateFilter,)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    autocomplete_fields = ("user",)
    actions = ("revoke_selected",)

    @admin.display(ordering="created_at")
    def issued(self, key: ApiKey) -> str:
        return time_ago(key.created_at)

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return time_ago(key.last_used_at)

    @admin.display(ordering="revoked_at")
    def revoked(self, key: ApiKey) -> str:
        return time_ago(key.revoked_at)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        shown = ("prefix", "created_at", "last_used_at", "revoked_at")
        return ("user", "name", *shown) if obj else ("user", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return ("user", "prefix", "created_at", "last_used_at", "revoked_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ModelForm[ApiKey], change: bool) -> None:
        if change:
            changes = form_changes(form)
            record(_by(request), "api_key.change", f"{obj} of {obj.user}", id=obj.pk, changes=changes)
            return super().save_model(request, obj, form, change)
        issued, key = api_key.issue(obj.user, obj.name, by=_by(request))
        obj.__dict__.update(issued.__dict__)
        request.issued_key = key  # type: ignore[attr-defined]  # read by response_add, in this request only

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key on the page that answers the form. No redirect, message or cookie contains it."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key for {obj.name}",
            "opts": self.opts,
            "api_key": obj,
            "key": request.issued_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)

    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        record(_by(request), "api_key.delete", f"{obj} of {obj.user}", id=obj.pk)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("user"):
            self.delete_model(request, key)

    @admin.action(description="Revoke: refuse these keys from now on")
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("user"):
            api_key.revoke(key, by=_by(request))
        self.message_user(request, "Revoked: programs with these keys get a 401 now.", messages.SUCCESS)


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    """What is being deleted in the background, and how far it is."""

    list_display = ("name", "what", "progress", "actor_name", "requested", "moved", "error")
    list_filter = (StateOfDeletion,)
    search_fields = ("name", "actor_name")
    fields = ("name", "what", "progress", "actor_name", "requested_at", "moved_at", "finished_at", "error")

    @admin.display(description="what", ordering="kind")
    def what(self, deletion: Deletion) -> str:
        return str(deletion.model._meta.verbose_name)

    @admin.display(description="progress", ordering="done")
    def progress(self, deletion: Deletion) -> str:
        if deletion.finished_at:
            return f"Done: {deletion.done:,} rows"
        if not deletion.total:
            return "Waiting for a worker"
        share = min(99, 100 * deletion.done // deletion.total)
        return f"{deletion.done:,} of {deletion.total:,} rows, {share} %"

    @admin.display(ordering="requested_at")
    def requested(self, deletion: Deletion) -> str:
        return time_ago(deletion.requested_at)

    @admin.display(description="last part", ordering="moved_at")
    def moved(self, deletion: Deletion) -> str:
        return time_ago(deletion.moved_at)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first."""

    list_display = ("at", "who", "action", "subject", "changed")
    list_filter = (("action", IndexedValuesFilter), ("at", admin.DateFieldListFilter))
    search_fields = ("subject", "actor_name")
    search_help_text = HELP
    paginator = LongListPaginator
    show_full_result_count = False
    list_display_links = ("at", "subject")
    fields = ("at", "who", "action", "subject", "changed", "detail")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == ONE_USER or super().lookup_allowed(lookup, value, request)

    @admin.display(description="user", ordering="actor_name")
    def who(self, event: AuditEvent) -> str:
        """Return the name at that time, as a link to all that this user did, also after a change of the name."""
        if event.user_id is None:
            return event.actor_name or "–"
        url = f"{reverse('admin:accounts_auditevent_changelist')}?{ONE_USER}={event.user_id}"
        return format_html('<a href="{}">{}</a>', url, event.actor_name or event.user_id)

    @admin.display(description="changes")
    def changed(self, event: AuditEvent) -> str:
        changes = event.detail.get("changes", {})
        lines = [(name, _shown(each["old"]), _shown(each["new"])) for name, each in changes.items()]
        return format_html_join(mark_safe("<br>"), "{}: {} → {}", lines) or "–"


def _shown(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "–"
        case bool():
            return "yes" if value else "no"
        case list():
            return truncatechars(", ".join(map(str, value)), 100)
        case _:
            return truncatechars(str(value), 100)
