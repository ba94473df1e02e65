"""Builds the filter inputs of a page: the workspace's own fields first, then those of every document."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform

from accounts.models import User
from documents.access import documents_for
from documents.fields.filters import PREFIX, Filters, fields_to_filter, inputs_of, type_of
from documents.models import Document
from workspaces.metadata_schema import FieldDefinition
from workspaces.models import Field, Workspace

_MAX_OFFERED = 50  # choices for a field with free values; with more values, the user types one


@dataclass(frozen=True, slots=True)
class FilterInput:
    field: FieldDefinition
    choices: list[tuple[str, str]]  # (value, label); empty: the user types a value
    chosen: list[str]  # for a field without an order
    low: str  # for a field with an order
    high: str
    # Conditions that the inputs above cannot express, such as "not": (input name, value, words)
    others: list[tuple[str, str, str]]

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.field.name}"

    @property
    def input_type(self) -> str:
        return {Field.Type.DATE: "date", Field.Type.NUMBER: "number"}.get(Field.Type(self.field.type), "text")

    @property
    def is_set(self) -> bool:
        return bool(self.chosen or self.low or self.high or self.others)


def filter_context(user: User, workspace: Workspace, filters: Filters) -> dict[str, Any]:
    """Return the context variables of the filter templates."""
    fields = shown_fields(user, workspace, filters)
    return {
        "filter_fields": fields,
        "filters": filters,
        "filters_are_set": any(each.is_set for each in fields),
    }


def shown_fields(user: User, workspace: Workspace, filters: Filters) -> list[FilterInput]:
    """Return a page's filter inputs with the chosen values. They offer only values that this user may see."""
    seen = documents_for(user, workspace)
    found = (_input(seen, each, filters.get(each.name)) for each in fields_to_filter(workspace).values())
    return [each for each in found if not _is_idle(each)]


def _is_idle(shown: FilterInput) -> bool:
    """Return whether to hide it: it offers no choice, or is the access level, which is a permission."""
    is_single = shown.field.is_built_in and not shown.field.has_order and len(shown.choices) < 2
    return not shown.is_set and (is_single or shown.field.name == "access_level")


def _input(seen: QuerySet[Document], field: FieldDefinition, said: Any) -> FilterInput:
    choices = [] if field.has_order else _choices(seen, field)
    offered = {value.casefold(): value for value, _ in choices}
    bounds, others = {"from": "", "to": ""}, []
    chosen: list[str] = []
    for key, value in inputs_of({} if said is None else {field.name: said}):
        word = key.removeprefix(f"{PREFIX}{field.name}").removeprefix(".")
        same = offered.get(value.casefold(), "" if choices or chosen else value)
        if field.has_order and word in bounds:
            bounds[word] = value
        elif same and not (field.has_order or word):
            chosen.append(same)
        else:
            others.append((key, value, f"{word} {value}".strip()))
    return FilterInput(field, choices, chosen, bounds["from"], bounds["to"], others)


def _choices(seen: QuerySet[Document], field: FieldDefinition) -> list[tuple[str, str]]:
    if field.type == Field.Type.YES_NO:
        return [("yes", "Yes"), ("no", "No")]
    if field.name == "type":
        there = {type_of(Document(kind=kind, media_type=media)) for kind, media in _kinds(seen)}
        return [each for each in field.choices if each[0] in there]
    if field.choices:
        return list(field.choices)
    values = (
        seen.filter(metadata__has_key=field.name)
        .order_by()
        .values_list(KeyTextTransform(field.name, "metadata"), flat=True)
    )
    known = sorted(set(values.distinct()[: _MAX_OFFERED + 1]), key=str.casefold)
    return [(value, value) for value in known] if len(known) <= _MAX_OFFERED else []


def _kinds(seen: QuerySet[Document]) -> QuerySet[Document, tuple[str, str]]:
    return seen.filter(chunk_count__gt=0).order_by().values_list("kind", "media_type").distinct()
