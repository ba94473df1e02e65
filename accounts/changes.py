"""What a change of settings changed, as the audit log stores it: each field with its old and its new value.

Secrets are left out, and long values are cut, so that an event stays small and safe to read.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Model, QuerySet
from django.forms import BaseForm, ModelChoiceField

from core.text import storable

Changes = dict[str, dict[str, Any]]  # field -> {"old": value, "new": value}

MAX_CHARACTERS = 300  # of a text
_MAX_ITEMS = 30  # of a list, or of a mapping
_MAX_DEPTH = 3
HIDDEN = "(not recorded)"
# A reference to a secret is none: it says where the secret is.
_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret(?!_ref)|credential|cookie|api_?key|private_?key|authori[sz]ation"
    r"|bearer|digest|(^|[_-])(token|key)$",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_SECRET_IN_URL = re.compile(r"(?<=[?&;])([^=&#\s]*=)[^&#\s]*")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return what differs between these values, by field. A field that `before` lacks was empty."""
    return {
        name: {"old": _plain(name, before.get(name)), "new": _plain(name, value)}
        for name, value in sorted(after.items())
        if before.get(name) != value
    }


def form_changes(form: BaseForm, prefix: str = "") -> Changes:
    """Return what a person changed in this valid form. prefix: what to leave out of the names of its fields."""
    before = {name: _initial(form, name) for name in form.changed_data}
    after = {name: form.cleaned_data.get(name) for name in form.changed_data}
    return {name.removeprefix(prefix): change for name, change in differences(before, after).items()}


def _initial(form: BaseForm, name: str) -> Any:
    """Return a field's value before the change: for a choice among rows the row, as in `cleaned_data`."""
    field, value = form.fields[name], form.get_initial_for_field(form.fields[name], name)
    if isinstance(field, ModelChoiceField) and not isinstance(value, Model | list | None):
        return field.queryset.filter(pk=value).first() if field.queryset is not None else value
    return value


def _plain(name: str, value: Any, depth: int = 0) -> Any:
    """Return the value as JSON can hold it, without secrets, and not too long."""
    if _SECRET_NAME.search(name) and value not in (None, ""):
        return HIDDEN
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal():
            return f"{value.normalize():f}"
        case date():
            return value.isoformat()
        case Mapping() if depth < _MAX_DEPTH:
            pairs = list(value.items())[:_MAX_ITEMS]
            return {_text(key): _plain(str(key), each, depth + 1) for key, each in pairs}
        case list() | tuple() | set() | frozenset() | QuerySet() if depth < _MAX_DEPTH:
            return [_plain("", each, depth + 1) for each in list(value)[:_MAX_ITEMS]]
        case _:
            return _text(value)


def _text(value: Any) -> str:
    text = _LOGIN_IN_URL.sub(HIDDEN, storable(str(value)))
    if "://" in text:
        text = _SECRET_IN_URL.sub(_hide_parameter, text)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _hide_parameter(found: re.Match[str]) -> str:
    name = found[1]
    return f"{name}{HIDDEN}" if _SECRET_NAME.search(name.rstrip("=")) else found[0]
