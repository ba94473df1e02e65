"""Form of an endpoint: the endpoint's own fields, and one field per option of its provider.

The option fields are generated from the provider's pydantic class (label from `title`, help from
`description`), so a new provider needs no form. The same class validates the values, and its errors appear at
the fields.
"""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from django import forms
from django.contrib.admin.widgets import AdminIntegerFieldWidget, AdminTextInputWidget
from django.core.exceptions import NON_FIELD_ERRORS
from pydantic import ValidationError as OptionsInvalid
from pydantic.fields import FieldInfo

from inference.errors import Misconfigured
from inference.providers import PROVIDERS, parse_options

from .models import Endpoint

PREFIX = "option_"  # an option may have the same name as a field of Endpoint

SECRET_HELP = (
    "Where the key is stored, never the key itself: env:OPENAI_API_KEY for an environment variable of the "
    "web and worker processes (restart them after you set it), or file:/run/secrets/openai for a file that "
    "they may read. RAGSITE_MODEL_SECRET_VARIABLES and RAGSITE_MODEL_SECRET_DIRS allow other places. Leave empty if the server needs no key."
)


class EndpointForm(forms.ModelForm[Endpoint]):
    """Base class. `endpoint_form` makes subclasses that know their provider and kind."""

    provider: str
    kind: str

    class Meta:
        model = Endpoint
        fields = ()
        help_texts = {"secret_ref": SECRET_HELP}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.provider, self.instance.kind = self.provider, self.kind
        for name, value in self.instance.options.items():
            self.initial.setdefault(PREFIX + name, value)
        if "model" in self.fields:
            self.fields["model"].required = PROVIDERS[self.provider].needs_model

    def clean(self) -> dict[str, Any]:
        """Collect and validate the options, and assign them to the endpoint if they are valid."""
        cleaned = super().clean() or {}
        self._take_options(
            {
                name.removeprefix(PREFIX): value
                for name, value in cleaned.items()
                if name.startswith(PREFIX) and value not in (None, "")
            }
        )
        return cleaned

    def _take_options(self, given: dict[str, Any]) -> None:
        try:
            self.instance.options = parse_options(self.provider, given).model_dump(mode="json")
        except Misconfigured as error:
            for name, sentence in _sentences(error).items():
                if PREFIX + name not in self.errors:
                    self.add_error(PREFIX + name if PREFIX + name in self.fields else None, sentence)

    def add_error(self, field: str | None, error: Any) -> None:
        """Show errors of fields that this form lacks above the form.

        Drop those of options: `clean` reported them.
        """
        told: dict[str, list[Any]] = getattr(error, "error_dict", {})
        for name in told.keys() - self.fields.keys() - {NON_FIELD_ERRORS}:
            sentences = told.pop(name)
            if name != "options":
                told.setdefault(NON_FIELD_ERRORS, []).extend(sentences)
        super().add_error(field, error)


def endpoint_form(provider: str, kind: str) -> type[EndpointForm]:
    """Return the form class for endpoints of this provider and kind."""
    options = option_fields(provider, kind)
    return type("ProviderEndpointForm", (EndpointForm,), {"provider": provider, "kind": kind, **options})


def option_fields(provider: str, kind: str) -> dict[str, forms.Field]:
    """Return a form field for each option that applies to this kind of model."""
    model_fields = PROVIDERS[provider].options.model_fields
    return {
        PREFIX + name: _form_field(name, info) for name, info in model_fields.items() if _concerns(info, kind)
    }


def _concerns(info: FieldInfo, kind: str) -> bool:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kinds = extra.get("kinds")
    return not isinstance(kinds, list) or kind in kinds


def _form_field(name: str, info: FieldInfo) -> forms.Field:
    annotation, is_optional = _without_none(info.annotation)
    common: dict[str, Any] = {
        "label": info.title or name.replace("_", " ").capitalize(),
        "help_text": info.description or "",
        "required": info.is_required() and not is_optional,
        "initial": None if info.is_required() else info.get_default(call_default_factory=True),
    }
    if get_origin(annotation) is Literal:
        choices = [(value, str(value)) for value in get_args(annotation)]
        return forms.ChoiceField(choices=choices, **common)
    if annotation is bool:
        return forms.BooleanField(**common | {"required": False})
    if annotation is int:
        return forms.IntegerField(widget=AdminIntegerFieldWidget, **common)
    if annotation is float:
        return forms.FloatField(**common)
    return forms.CharField(widget=AdminTextInputWidget, **common)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return `int` and True for `int | None`."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0], len(kinds) < len(get_args(annotation))


def _sentences(error: Misconfigured) -> dict[str, str]:
    """Return one sentence per option, or a single one under "" if the error names no option."""
    if not isinstance(error.__cause__, OptionsInvalid):
        return {"": str(error)}
    found = {str(item["loc"][0]): item["msg"] for item in error.__cause__.errors() if item["loc"]}
    return {name: _sentence(message) for name, message in found.items()} or {"": str(error)}


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{message[:1].upper()}{message[1:].removesuffix('.')}."
