"""The page on which managers declare the metadata fields and the access levels."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from core.text import lines_of
from workspaces.access import workspace_for
from workspaces.access_levels import name_levels
from workspaces.models import Field, Role, Workspace
from workspaces.pages import workspace_page

from . import definitions as declared

_TEXT = {"class": "input", "autocomplete": "off", "dir": "auto"}
_LINES = {"class": "textarea", "rows": 3, "dir": "auto"}


class FieldForm(forms.Form):
    label = forms.CharField(
        max_length=60,
        widget=forms.TextInput(_TEXT),
        help_text="The name that people see, such as Department.",
    )
    choices = forms.CharField(
        required=False,
        widget=forms.Textarea(_LINES),
        help_text="One per line. Empty: any text.",
    )
    source = forms.CharField(
        label="Taken from the file",
        required=False,
        max_length=60,
        widget=forms.TextInput(_TEXT),
        help_text="The name of a file property, such as author, created or keywords, of a meta tag, or of a line in "
        "the front matter of Markdown. It fills the field if no user does. It applies to documents that are read "
        "from now on.",
    )

    def settings(self) -> dict[str, Any]:
        return self.cleaned_data | {"choices": lines_of(self.cleaned_data["choices"])}


class NewFieldForm(FieldForm):
    type = forms.ChoiceField(choices=Field.Type, widget=forms.Select({"class": "select"}))
    name = forms.CharField(
        required=False,
        max_length=30,
        widget=forms.TextInput(_TEXT | {"spellcheck": "false"}),
        help_text="The name in filters of the API. Empty: made from the label.",
    )
    field_order = ("label", "type", "choices", "source", "name")


class LevelsForm(forms.Form):
    levels = forms.CharField(
        label="Levels",
        required=False,
        widget=forms.Textarea(_LINES | {"rows": 4}),
        help_text="One per line, lowest first, such as Everyone, Staff, Board. All members have the first one. "
        "Documents and members keep their position in this list. Empty: all members see everything.",
    )


def fields(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    form = NewFieldForm(request.POST or None)
    if form.is_valid():
        try:
            field = declared.declare(workspace, request.user, **form.settings())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"You can now set “{field.label}” on documents.")
            return redirect("workspace-fields", workspace.id)
    return _page(request, workspace, form=form)


@require_POST
def levels(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    form = LevelsForm(request.POST)
    if form.is_valid():
        try:
            name_levels(workspace, request.user, lines_of(form.cleaned_data["levels"]))
        except ValidationError as error:
            form.add_error("levels", error)
        else:
            messages.success(request, "Saved. Now set each member's level on the Members tab.")
            return redirect("workspace-fields", workspace.id)
    return _page(request, workspace, levels_form=form)


@require_POST
def change(request: UserRequest, workspace_id: UUID, field: str) -> HttpResponse:
    found = _field(request, workspace_id, field)
    form = FieldForm(request.POST)
    if form.is_valid():
        try:
            declared.change(found, request.user, **form.settings())
            messages.success(request, "Saved.")
            return redirect("workspace-fields", workspace_id)
        except ValidationError as error:
            form.add_error(None, error)
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return redirect("workspace-fields", workspace_id)


@require_POST
def delete(request: UserRequest, workspace_id: UUID, field: str) -> HttpResponse:
    found = _field(request, workspace_id, field)
    count = declared.delete(found, request.user)
    removed = f" and removed from {count:,} document{'s' if count != 1 else ''}" if count else ""
    messages.success(request, f"“{found.label}” was deleted{removed}.")
    return redirect("workspace-fields", workspace_id)


def _field(request: UserRequest, workspace_id: UUID, name: str) -> Field:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    found = workspace.fields.select_related("workspace").filter(name=name).first()
    if found is None:
        raise Http404("There is no such field here.")
    return found


def _page(request: UserRequest, workspace: Workspace, **forms_: forms.Form) -> HttpResponse:
    rows = [(field, _form_of(field), declared.with_value(field).count()) for field in workspace.fields.all()]
    used = dict(workspace.documents.order_by().values_list("access_level").annotate(n=Count("pk")))
    context: dict[str, Any] = {
        "form": NewFieldForm(),
        "levels_form": LevelsForm(initial={"levels": "\n".join(workspace.access_levels)}),
        "rows": rows,
        "levels": [(name, used.get(number, 0)) for number, name in enumerate(workspace.access_levels)],
    }
    return workspace_page(request, workspace, "settings", "documents/fields.html", **context | forms_)


def _form_of(field: Field) -> FieldForm:
    initial = {"label": field.label, "choices": "\n".join(field.choices), "source": field.source}
    return FieldForm(initial=initial, auto_id=f"id_{field.name}_%s")
