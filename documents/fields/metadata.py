"""The metadata of documents: set by a user, inherited from a website or feed, or found in the file.

Values from users override values from files. A change embeds nothing: `indexes.describe` updates the engine.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.changes import differences
from accounts.models import User, record_each
from documents.models import Document
from workspaces import indexes
from workspaces.access import level_in
from workspaces.engines import IndexedMetadata, Value
from workspaces.errors import InvalidValue
from workspaces.metadata_schema import FieldDefinition, fields_of, lock_fields
from workspaces.models import Workspace

from .filters import type_of

COLUMNS = ("metadata", "facts", "found_fields", "access_level")
LEVELS_CHANGED = "The access levels of this workspace have just changed. Choose again who may see it."
_SAVE = f"""UPDATE {Document._meta.db_table} AS d SET updated_at = now(), metadata = told.metadata::jsonb,
        facts = told.facts::jsonb, found_fields = told.found_fields::jsonb, access_level = told.access_level
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[])
        AS told(id, metadata, facts, found_fields, access_level)
    WHERE d.id = told.id"""


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """A validated change to the metadata of documents: create it with `parse_change`."""

    metadata: Mapping[str, Value | None] = field(default_factory=dict)  # None: remove the value
    access_level: int | None = None  # None: no change; for a new document, the lowest

    def __bool__(self) -> bool:
        return bool(self.metadata) or self.access_level is not None


NO_CHANGE = MetadataChange()


def parse_change(
    workspace: Workspace,
    user: User | None,
    metadata: Mapping[str, Any] | None = None,
    access_level: int | str | None = None,
) -> MetadataChange:
    """Validate a change to metadata. Raises InvalidValue with a sentence that names what is allowed.

    metadata: field -> value; None and "" remove the value. access_level: a number, or its name.
    """
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InvalidValue('Metadata is an object, as in {"department": "legal"}.')
    known = fields_of(workspace) if metadata else {}
    if (unknown := next((name for name in metadata or () if name not in known), None)) is not None:
        there = (
            f"Choose one of: {', '.join(known)}." if known else "A manager can add fields in the settings."
        )
        raise InvalidValue(f"There is no field {str(unknown)[:40]!r} here. {there}")
    read = {
        name: None if said in (None, "") else known[name].read(said)
        for name, said in (metadata or {}).items()
    }
    return MetadataChange(read, None if access_level in (None, "") else _level(workspace, user, access_level))


def _level(workspace: Workspace, user: User | None, said: Any) -> int:
    """Return the level.

    Raises InvalidValue above the user's own: users cannot hide a document from themselves.
    """
    names = workspace.access_levels or ["everyone"]
    own = level_in(user, workspace) if user else None
    allowed = names if own is None else names[: own + 1]
    level = names.index(said) if said in names else said
    if isinstance(level, str) and level.isascii() and level.isdecimal():
        level = int(level)
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level < len(allowed):
        listed = ", ".join(f"{number} ({name})" for number, name in enumerate(allowed))
        raise InvalidValue(f"The access level is one of: {listed}.")
    return level


def apply_change(document: Document, said: MetadataChange, known: Mapping[str, FieldDefinition]) -> None:
    """Apply the change to the document, without saving it. known: the workspace's fields.

    The value of a field that was deleted meanwhile is dropped, as if the field were deleted a moment later.
    """
    metadata = document.metadata | dict(said.metadata)
    document.metadata = {
        name: value for name, value in metadata.items() if value is not None and name in known
    }
    document.found_fields = [name for name in document.found_fields if name not in said.metadata]
    if said.access_level is not None:
        document.access_level = said.access_level
    _order(document, known)


def hold_fields(document: Document) -> None:
    """Lock the fields that a new document uses until it is saved: call it first in that transaction."""
    if document.metadata:
        apply_change(document, NO_CHANGE, lock_fields(document.workspace))


def fill_from_file(
    document: Document, properties: Mapping[str, str], known: Mapping[str, FieldDefinition]
) -> None:
    """Fill the fields that take their value from a file property and that no user has set."""
    for each in known.values():
        if not each.source or (each.name in document.metadata and each.name not in document.found_fields):
            continue
        document.metadata.pop(each.name, None)
        document.found_fields = [name for name in document.found_fields if name != each.name]
        try:
            document.metadata[each.name] = each.read(properties.get(each.source.lower(), ""))
            document.found_fields = [*document.found_fields, each.name]
        except InvalidValue:
            continue  # the file has no such property, or its value is invalid
    _order(document, known)


def _order(document: Document, known: Mapping[str, FieldDefinition]) -> None:
    document.facts = {
        name: known[name].ordered(value) for name, value in document.metadata.items() if name in known
    }


def indexed_metadata(document: Document) -> IndexedMetadata:
    """Return the metadata that engines filter by."""
    own: dict[str, Value] = {
        "type": type_of(document),
        "language": document.language,
        "added": timezone.localdate(document.created_at, UTC).isoformat(),
        "modified": timezone.localdate(document.ready_at, UTC).isoformat(),
        "access_level": document.access_level,
    }
    return IndexedMetadata(document.facts | own, document.access_level)


def is_current(document: Document, said: MetadataChange) -> bool:
    """Return whether the document already has all of this metadata, set by users."""
    known = {name: document.metadata.get(name) for name in said.metadata}
    is_same = known == dict(said.metadata) and not set(known) & set(document.found_fields)
    return is_same and said.access_level in (None, document.access_level)


@transaction.atomic
def update_metadata(
    workspace: Workspace, user: User | None, documents: Iterable[UUID], said: MetadataChange
) -> int:
    """Change the metadata of these documents and of those found through them. Return how many of these exist.

    Takes its locks in the order of reindex/service.py, so that no reindex can switch to an index without this
    change. The locks on rows are NO KEY locks, so that foreign keys do not wait for them. Raises InvalidValue
    for a page's access level that differs from its website's, and for a level that was removed meanwhile.
    """
    known, together = lock_fields(workspace), set(documents)
    locked = Document.objects.select_for_update(of=("self",), no_key=True).filter(workspace=workspace)
    # Parents before the documents found through them, as in the crawler: one lock order prevents deadlocks.
    tops = list(locked.filter(parent=None, pk__in=together).order_by("pk"))
    found = locked.filter(Q(pk__in=together) | Q(parent__in=together), parent__isnull=False)
    every = [*tops, *found.order_by("pk")]
    chosen = [each for each in every if each.pk in together]
    if said.access_level is not None:
        _refuse_alone(chosen, together, said.access_level)
    before = {each.pk: _described(each, said) for each in chosen}
    for document in every:
        apply_change(document, said, known)
    _save(every)
    deeds = (
        (each.title, {"id": str(each.pk), "changes": differences(before[each.pk], _described(each, said))})
        for each in chosen
    )
    record_each(user, "document.describe", deeds)
    # The workspace last: every worker that publishes here and every upload waits for its row.
    current = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if said.access_level and said.access_level >= len(current.access_levels):
        raise InvalidValue(LEVELS_CHANGED)
    indexes.describe(current, {each.pk: indexed_metadata(each) for each in every})
    return len(chosen)


def _described(document: Document, said: MetadataChange) -> dict[str, Any]:
    """Return the values that this change is about, as they are now."""
    values = {name: document.metadata.get(name) for name in said.metadata}
    return values | {"access_level": document.access_level}


def _save(documents: Iterable[Document]) -> None:
    """Save COLUMNS of all documents in one statement: a website may have thousands of pages."""
    rows = [
        (each.pk, *map(json.dumps, (each.metadata, each.facts, each.found_fields)), each.access_level)
        for each in documents
    ]
    with connection.cursor() as cursor:
        cursor.execute(_SAVE, [[row[column] for row in rows] for column in range(5)])


def _refuse_alone(chosen: Iterable[Document], together: set[UUID], level: int) -> None:
    for each in chosen:
        if each.parent_id and each.parent_id not in together and each.access_level != level:
            raise InvalidValue(f"{each.title} has the access level of its website or feed. Change it there.")
