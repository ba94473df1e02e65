"""Tables of inline rows with the labels for screen readers that Django leaves out."""

from typing import Any

from django.contrib import admin
from django.forms import BaseInlineFormSet, Form
from django.forms.utils import pretty_name


class LabelledFormSet(BaseInlineFormSet[Any, Any, Any]):
    """Names each input after its column, because a table has no `<label>` for it."""

    def add_fields(self, form: Form, index: int | None) -> None:
        super().add_fields(form, index)
        for name, field in form.fields.items():
            inner: Any = getattr(
                field.widget, "widget", field.widget
            )  # a related row's widget wraps the input
            inner.attrs.setdefault("aria-label", str(field.label or pretty_name(name)))


class LabelledTabularInline(admin.TabularInline[Any, Any]):
    template = "admin/labelled_tabular.html"
    formset = LabelledFormSet
