"""Metadata filters, in one format for the pages, the API, the WebSocket and the chat.

    {"department": ["legal", "hr"], "date": {"from": "2024-01-01", "to": "2024-12-31"}, "draft": false,
     "region": {"not": "us"}}

Each key is a field. Its value is one value, or a list of alternatives; "from" and "to" are inclusive; "not"
excludes values. All conditions must hold. "document" names documents by their titles. Filters are validated here, and reach the database only as query
parameters.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any, Literal

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import TruncDate
from django.http import QueryDict

from documents.models import Document
from documents.parsing.media_types import BY_NAME, HTML, TYPES
from workspaces.engines import Condition, Value
from workspaces.errors import InvalidValue
from workspaces.metadata_schema import MAX_CHARACTERS, FieldDefinition, filterable_fields
from workspaces.models import Workspace

_NEVER_KEPT = re.compile("[\0\ud800-\udfff]")
Filters = Mapping[str, Any]

MAX_FIELDS, MAX_VALUES = 20, 100
MAX_TITLE_CHARACTERS = 300
DOCUMENT = "document"  # in filters: titles of documents
PREFIX = "f."  # of the form inputs of filters: f.department, f.date.from
_K = Document.Kind
_OWN = {_K.TEXT: "text", _K.QA: "qa", _K.PAGE: "page", _K.POST: "post"}
DOCUMENT_TYPES = {kind.extensions[0]: kind.extensions[0].upper() for kind in TYPES} | {
    name: _K(kind).label for kind, name in _OWN.items()
}
_TESTS: dict[str, Literal["is_not", "at_least", "at_most"]] = {
    "not": "is_not",
    "from": "at_least",
    "to": "at_most",
}


def type_of(document: Document) -> str:
    """Return the name of this document's type in filters: a key of DOCUMENT_TYPES."""
    if document.kind in (_K.TEXT, _K.QA) or document.media_type == HTML.name:
        return _OWN.get(_K(document.kind), HTML.extensions[0])
    kind = BY_NAME.get(document.media_type)
    return kind.extensions[0] if kind else ""


def fields_to_filter(workspace: Workspace) -> dict[str, FieldDefinition]:
    return filterable_fields(workspace, DOCUMENT_TYPES)


def conditions_of(workspace: Workspace, filters: Filters) -> tuple[Condition, ...]:
    """Return the conditions of the filters.

    Raises InvalidValue with a sentence that names what is allowed.
    """
    if not filters:
        return ()
    if not isinstance(filters, Mapping):
        raise InvalidValue('Filters are an object, as in {"department": ["legal"]}.')
    known = fields_to_filter(workspace)
    if titles_in(workspace, filters):
        filters = {name: said for name, said in filters.items() if name != DOCUMENT}
    if (unknown := next((name for name in filters if name not in known), None)) is not None:
        raise InvalidValue(
            f"There is no field {str(unknown)[:40]!r} here. Choose one of: {', '.join(known)}."
        )
    if len(filters) > MAX_FIELDS:
        raise InvalidValue(f"Filter by at most {MAX_FIELDS} fields at once.")
    return tuple(condition for name, said in filters.items() for condition in _conditions(known[name], said))


def titles_in(workspace: Workspace, filters: Filters) -> list[str]:
    """Return the titles of the documents that these filters name, [] if they name none. Raises InvalidValue.

    A field of the workspace that is called so comes first.
    """
    said = filters.get(DOCUMENT) if isinstance(filters, Mapping) else None
    if said is None or DOCUMENT in fields_to_filter(workspace):
        return []
    titles = said if isinstance(said, list | tuple) else [said]
    if not 1 <= len(titles) <= MAX_VALUES or not all(isinstance(each, str) and each for each in titles):
        raise InvalidValue(f"document takes the titles of 1 to {MAX_VALUES} documents.")
    if any(len(each) > MAX_TITLE_CHARACTERS or _NEVER_KEPT.search(each) for each in titles):
        raise InvalidValue("document: a title is too long, or has characters that cannot be stored.")
    return list(titles)


def _conditions(field: FieldDefinition, said: Any) -> Iterator[Condition]:
    if not isinstance(said, Mapping):
        yield Condition(field.name, "is", _values(field, said))
        return
    if not said or not said.keys() <= _TESTS.keys():
        raise InvalidValue(
            f'{field.name} takes a value, a list of values, or an object with "from", "to" and "not".'
        )
    for word, value in said.items():
        if word != "not" and not field.has_order:
            raise InvalidValue(f'{field.name} has no order: give a value or a list, not "{word}".')
        values = _values(field, value)
        if word != "not" and len(values) != 1:
            raise InvalidValue(f'{field.name}: "{word}" takes one value.')
        yield Condition(field.name, _TESTS[word], values)


def _values(field: FieldDefinition, said: Any) -> tuple[Value, ...]:
    listed = said if isinstance(said, list | tuple) else [said]
    if not 1 <= len(listed) <= MAX_VALUES:
        raise InvalidValue(f"{field.name} takes 1 to {MAX_VALUES} values.")
    for each in listed:
        if isinstance(each, str) and not _can_be_kept(each):
            raise InvalidValue(f"{field.name}: a value is too long, or has characters that cannot be stored.")
    return tuple(field.ordered(field.read(each)) for each in listed)


def _can_be_kept(said: str) -> bool:
    """Return whether a value can be stored.

    A question keeps its filters as the client sent them, and PostgreSQL stores neither NUL nor lone
    surrogates.
    """
    return len(said) <= MAX_CHARACTERS and not _NEVER_KEPT.search(said)


def filters_in(query: QueryDict) -> dict[str, Any]:
    """Return the filters in a form or URL query.

    An empty input sets no filter. An invalid value is kept, so that `conditions_of` refuses it.
    """
    found: dict[str, dict[str, Any]] = {}
    for key in query:
        values = [value for value in query.getlist(key) if value]
        if key.startswith(PREFIX) and values:
            name, _, word = key.removeprefix(PREFIX).partition(".")
            found.setdefault(name, {})[word] = values if not word or len(values) > 1 else values[0]
    return {name: said[""] if said.keys() == {""} else said for name, said in found.items()}


def inputs_of(filters: Filters) -> list[tuple[str, str]]:
    """Return the names and values of the form inputs for these filters: the inverse of `filters_in`."""
    pairs = []
    for name, said in filters.items():
        words = said.items() if isinstance(said, Mapping) else [("", said)]
        for word, value in words:
            key = f"{PREFIX}{name}.{word}" if word else f"{PREFIX}{name}"
            pairs += [(key, _in_words(each)) for each in (value if isinstance(value, list) else [value])]
    return pairs


def _in_words(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def in_words(filters: Filters) -> str:
    """Return the filters in words: department legal or hr; date from 2024-01-01."""
    told: dict[str, list[str]] = {}
    for key, value in inputs_of(filters):
        name, _, word = key.removeprefix(PREFIX).partition(".")
        told.setdefault(name, []).append(f"{word} {value}" if word else value)
    return "; ".join(
        f"{name} {(' ' if isinstance(filters[name], Mapping) else ' or ').join(words)}"
        for name, words in told.items()
    )


# --- filtering the table of documents ------------------------------------------------------------


def matching(rows: QuerySet[Document], workspace: Workspace, filters: Filters) -> QuerySet[Document]:
    """Return the rows in which a search with these filters can find something. Raises InvalidValue."""
    if titles := titles_in(workspace, filters):
        rows = rows.filter(title__in=titles)
    for condition in conditions_of(workspace, filters):
        rows = _BUILT_IN.get(condition.field, _filter_by_field)(rows, condition)
    return rows


def _filter_by_field(rows: QuerySet[Document], condition: Condition) -> QuerySet[Document]:
    if condition.test in ("is", "is_not"):
        said = Q(pk=None)
        for value in condition.values:
            said |= Q(facts__contains={condition.field: value})
        return rows.filter(said if condition.test == "is" else ~said)
    return _filter_by_bound(rows.alias(bounded=KeyTransform(condition.field, "facts")), condition, "bounded")


def _filter_by_bound(rows: QuerySet[Document], condition: Condition, column: str) -> QuerySet[Document]:
    [bound] = condition.values
    return rows.filter(**{f"{column}__{'gte' if condition.test == 'at_least' else 'lte'}": bound})


def _of_column(column: str) -> Any:
    def filter_rows(rows: QuerySet[Document], condition: Condition) -> QuerySet[Document]:
        if condition.test == "is":
            return rows.filter(**{f"{column}__in": condition.values})
        if condition.test == "is_not":
            return rows.exclude(**{f"{column}__in": condition.values})
        return _filter_by_bound(rows, condition, column)

    return filter_rows


def _of_type(rows: QuerySet[Document], condition: Condition) -> QuerySet[Document]:
    said = Q(pk=None)
    for value in condition.values:
        said |= _is_type(str(value))
    return rows.filter(said if condition.test == "is" else ~said)


def _is_type(name: str) -> Q:
    """Return the condition on the columns under which `type_of` returns this name."""
    of_kind = {each: kind for kind, each in _OWN.items()}
    if name in ("text", "qa"):
        return Q(kind=of_kind[name])
    if name in of_kind:
        return Q(kind=of_kind[name], media_type=HTML.name)
    media = next(kind.name for kind in TYPES if kind.extensions[0] == name)
    written = [_K.TEXT, _K.QA, *([_K.PAGE, _K.POST] if media == HTML.name else [])]
    return Q(media_type=media) & ~Q(kind__in=written)


def _of_day(column: str) -> Callable[[QuerySet[Document], Condition], QuerySet[Document]]:
    """Compare the day of a time in UTC, as engines store it, whatever time zone the reader has."""
    compare = _of_column("day")
    return lambda rows, condition: compare(rows.alias(day=TruncDate(column, tzinfo=UTC)), condition)


_BUILT_IN = {
    "type": _of_type,
    "language": _of_column("language"),
    "added": _of_day("created_at"),
    "modified": _of_day("ready_at"),
    "access_level": _of_column("access_level"),
}
