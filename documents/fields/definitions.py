"""Declares, changes and deletes a workspace's metadata fields. workspaces/metadata_schema.py parses their values."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from anyascii import anyascii
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.changes import differences
from accounts.models import User, record
from core.text import one_line
from documents.models import Document, DocumentQuerySet
from workspaces.metadata_schema import BUILT_IN, MAX_CHARACTERS, NAME
from workspaces.models import Field, Workspace

from . import metadata
from .filters import MAX_FIELDS
from .metadata import MetadataChange

_MAX_CHOICES = 100
_MAX_LABEL = 60
# As German writes them without marks.
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def declare(workspace: Workspace, user: User | None, *, label: str, name: str = "", **settings: Any) -> Field:
    """Declare a field.

    Without a name it gets one from its label. Raises ValidationError with a sentence per field.

    settings: type, choices, source, as in Field.
    """
    field = Field(workspace=workspace, name=name or name_of(label), label=label, **settings)
    _check(field)
    try:
        with transaction.atomic():
            field.save()
            record(user, "field.declare", field.name, workspace=workspace.name, type=field.type)
    except IntegrityError as error:
        raise ValidationError(
            {"name": f"A field {field.name!r} already exists. Choose another name."}
        ) from error
    return field


def change(field: Field, user: User | None, **settings: Any) -> None:
    """Change the label, choices or source.

    Raises ValidationError, also if a document has a removed choice.
    """
    before = {name: getattr(field, name) for name in settings}
    removed = set(field.choices) - set(settings.get("choices", field.choices))
    for name, value in settings.items():
        setattr(field, name, value)
    _check(field)
    if field.choices:
        _refuse_used(field, removed)
    with transaction.atomic():
        field.save()
        changes = differences(before, {name: getattr(field, name) for name in settings})
        record(user, "field.change", field.name, workspace=field.workspace.name, changes=changes)


def delete(field: Field, user: User | None) -> int:
    """Delete a field and its value on every document. Return how many documents had one.

    The engine's metadata is updated too, so a later field of this name starts without values.
    """
    with transaction.atomic():
        # The lock waits for transactions that are writing values; later ones find no such field
        # (lock_fields).
        list(field.workspace.fields.select_for_update())
        knowing = list(with_value(field).values_list("pk", flat=True))
        metadata.update_metadata(field.workspace, user, knowing, MetadataChange({field.name: None}))
        field.delete()
        record(user, "field.delete", field.name, workspace=field.workspace.name, documents=len(knowing))
    return len(knowing)


def with_value(field: Field) -> DocumentQuerySet:
    """Return the documents that have a value for this field."""
    return Document.objects.filter(workspace=field.workspace, metadata__has_key=field.name)


def name_of(label: str) -> str:
    """Return a name for filters and the API, in Latin letters: "Effective from" becomes effective_from.

    "" if the label has no letters.
    """
    composed = unicodedata.normalize("NFC", label).translate(_UMLAUTS)
    plain = anyascii(composed).lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")[:30].rstrip("_")


def _check(field: Field) -> None:
    errors = {}
    field.label = one_line(field.label)
    if not 1 <= len(field.label) <= _MAX_LABEL:
        errors["label"] = f"Enter a label of 1 to {_MAX_LABEL} characters."
    if not field.name:
        errors["name"] = "No name can be made from this label. Enter one: lowercase letters, digits and _."
    elif not NAME.fullmatch(field.name):
        errors["name"] = "A name has 1 to 30 lowercase letters, digits and _, and begins with a letter."
    elif field.name in BUILT_IN:
        errors["name"] = f"Every document already has {field.name}. Choose another name."
    if field.type not in Field.Type.values:
        errors["type"] = f"Choose one of: {', '.join(Field.Type.values)}."
    field.choices = _choices(field.choices)
    if len({each.casefold() for each in field.choices}) < len(field.choices):
        errors["choices"] = "Two choices have the same name. Give each a different one."
    if field.choices and field.type != Field.Type.TEXT:
        errors["choices"] = "Only a text field can have choices. Leave this empty."
    elif len(field.choices) > _MAX_CHOICES or any(len(each) > MAX_CHARACTERS for each in field.choices):
        errors["choices"] = (
            f"A field can have up to {_MAX_CHOICES} choices of up to {MAX_CHARACTERS} characters. Use fewer."
        )
    field.source = one_line(field.source).lower()[:60]
    if not field.pk and field.workspace.fields.count() >= MAX_FIELDS:
        errors["name"] = f"A workspace has at most {MAX_FIELDS} fields. Delete one that is not used."
    if errors:
        raise ValidationError(errors)


def _choices(said: Iterable[str]) -> list[str]:
    cleaned = (one_line(str(each)) for each in said)
    return list(dict.fromkeys(each for each in cleaned if each))  # drops repeated lines


def _refuse_used(field: Field, removed: set[str]) -> None:
    for choice in sorted(removed - set(field.choices)):
        if count := with_value(field).filter(metadata__contains={field.name: choice}).count():
            what, them = ("1 document has", "it") if count == 1 else (f"{count:,} documents have", "them")
            raise ValidationError(
                {"choices": f"{what} the choice {choice!r}. Give {them} another one first."}
            )
