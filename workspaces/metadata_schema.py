"""The metadata schema: which fields documents have, and which values are valid.

All input is parsed here: forms, the API, rules for folders, properties of files, and filters.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.text import one_line

from .engines import Value
from .errors import InvalidValue
from .languages import choices_of
from .models import Field, Workspace

NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
MAX_CHARACTERS = 200  # of a text value
MAX_NUMBER = 10.0**15  # above it, a float skips whole numbers
_VERSION = re.compile(r"[vV]?(\d{1,9}(?:\.\d{1,9}){0,5})(?:[-+_ ]?([A-Za-z][\w.+-]{0,40}))?", re.ASCII)
_PARTS = 6  # of a version

_T = Field.Type


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A field with its parser: a field that a workspace declares, or one that every document has."""

    name: str
    label: str
    type: str  # a value of Field.Type
    choices: tuple[tuple[str, str], ...] = ()  # value, label; empty: any value
    source: str = ""
    is_built_in: bool = False  # computed from the document; users cannot set it

    @property
    def has_order(self) -> bool:
        return self.type in (_T.NUMBER, _T.DATE, _T.VERSION)

    def read(self, said: Any) -> Value:
        """Parse a value into its stored form. Raises InvalidValue."""
        return _READERS[self.type](self, said)

    def ordered(self, kept: Value) -> Value:
        """Return a stored value in the sortable form of engines: text case-folded, versions padded."""
        if self.type == _T.TEXT:
            return str(kept).casefold()
        return _pad(str(kept)) if self.type == _T.VERSION else kept


BUILT_IN = ("type", "language", "added", "modified", "access_level")


def fields_of(workspace: Workspace) -> dict[str, FieldDefinition]:
    """Return the fields that the workspace declares, by name."""
    return {each.name: _definition(each) for each in workspace.fields.all()}


def lock_fields(workspace: Workspace) -> dict[str, FieldDefinition]:
    """Return the declared fields and lock them, so that none is deleted before this transaction ends.

    Code that writes values calls this before it locks a document. Deleting a field locks the field first, and
    looks for its values afterwards, so it finds them all.
    """
    rows = Field.objects.raw(
        f"SELECT * FROM {Field._meta.db_table} WHERE workspace_id = %s ORDER BY id FOR KEY SHARE",
        [workspace.pk],
    )
    return {each.name: _definition(each) for each in rows}


def _definition(field: Field) -> FieldDefinition:
    choices = tuple((value, value) for value in field.choices)
    return FieldDefinition(field.name, field.label, field.type, choices, field.source)


def filterable_fields(workspace: Workspace, types: Mapping[str, str]) -> dict[str, FieldDefinition]:
    """Return all fields that documents can be filtered by. types: document types with their labels."""
    languages = tuple(choices_of(workspace.languages))
    built_in = [
        FieldDefinition("type", "Document type", _T.TEXT, tuple(types.items()), is_built_in=True),
        FieldDefinition("language", "Language", _T.TEXT, languages, is_built_in=True),
        FieldDefinition("added", "Added", _T.DATE, is_built_in=True),
        FieldDefinition("modified", "Last read", _T.DATE, is_built_in=True),
        FieldDefinition("access_level", "Access level", _T.NUMBER, is_built_in=True),
    ]
    return fields_of(workspace) | {each.name: each for each in built_in}


# --- parsers -------------------------------------------------------------------------------------


def _text(field: FieldDefinition, said: Any) -> Value:
    if not isinstance(said, str):
        raise InvalidValue(f"{field.name} must be a text.")
    text = one_line(said)
    if not text:
        raise InvalidValue(f"{field.name} must not be empty.")
    if len(text) > MAX_CHARACTERS:
        raise InvalidValue(f"{field.name} has {len(text):,} characters; the maximum is {MAX_CHARACTERS}.")
    if not field.choices:
        return text
    same = (value for value, _ in field.choices if value.casefold() == text.casefold())
    if (choice := next(same, None)) is None:
        raise InvalidValue(f"{field.name} must be one of: {', '.join(value for value, _ in field.choices)}.")
    return choice


def _number(field: FieldDefinition, said: Any) -> Value:
    wrong = InvalidValue(f"{field.name} must be a number, such as 12 or 3.5.")
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        raise wrong
    try:
        number = float(said)
    except (ValueError, OverflowError) as error:
        raise wrong from error
    if not math.isfinite(number) or abs(number) > MAX_NUMBER:
        raise wrong
    return int(number) if number.is_integer() else number


def _date(field: FieldDefinition, said: Any) -> Value:
    try:
        # Keep the day of a timestamp: files and feeds give the time to the second.
        return date.fromisoformat(str(said).strip()[:10]).isoformat()
    except ValueError as error:
        raise InvalidValue(f"{field.name} must be a date, such as 2024-01-31.") from error


def _yes_no(field: FieldDefinition, said: Any) -> Value:
    if isinstance(said, bool):
        return said
    found = {"yes": True, "true": True, "no": False, "false": False}.get(str(said).strip().lower())
    if found is None:
        raise InvalidValue(f"{field.name} must be yes or no.")
    return found


def _version(field: FieldDefinition, said: Any) -> Value:
    text = said.strip() if isinstance(said, str) else ""
    if not _VERSION.fullmatch(text):
        raise InvalidValue(f"{field.name} must be a version, such as 2.1 or v1.10-beta.")
    return text


def _pad(version: str) -> str:
    """Return a string that sorts as versions do: 1.9 before 1.10-beta before 1.10."""
    found = _VERSION.fullmatch(version)
    numbers, suffix = found.groups() if found else ("0", "")
    parts = [*numbers.split("."), *["0"] * _PARTS][:_PARTS]
    return ".".join(part.zfill(9) for part in parts) + (f"-{suffix.lower()}" if suffix else "~")


_READERS: dict[str, Callable[[FieldDefinition, Any], Value]] = {
    _T.TEXT: _text,
    _T.NUMBER: _number,
    _T.DATE: _date,
    _T.YES_NO: _yes_no,
    _T.VERSION: _version,
}
