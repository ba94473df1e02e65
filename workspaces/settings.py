"""Validates and saves a workspace's settings.

Forms, the REST API, the admin and commands only parse their input.

The settings of an index (INDEX_SETTINGS) apply to every document in it. Once there are documents, they change
only by building a new index: documents.reindex.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.changes import differences
from accounts.models import User, record
from models_registry.models import Endpoint
from models_registry.probe import find_problem

from .access_levels import name_levels
from .errors import EngineError
from .models import INDEX_SETTINGS, Workspace
from .provision import check_index_kind, provision_workspace

_MODELS = ("embedder", "reranker", "condenser", "summarizer")
_OF_THE_TABLE = (
    "embedder",
    "dimensions",
    "metric",
)  # the chunk table depends on these, even if it is empty
_NEEDS_INDEX = "The existing documents were read with another value. Build a new index to change it."
_NO_EMBEDDER = "No embedding model is set up yet. Ask an operator to add one in the admin."


def create_workspace(
    user: User | None, members: Iterable[User] = (), access_levels: Sequence[str] = (), **fields: Any
) -> Workspace:
    """Create a workspace with `user` as its manager, all or nothing.

    fields: those of Workspace; without an embedder, the first one offered is used. Raises ValidationError
    with a sentence per field.
    """
    fields.setdefault("embedder", Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).first())
    if fields["embedder"] is None:
        raise ValidationError({"embedder": _NO_EMBEDDER})
    _require_answers(fields)
    try:
        with transaction.atomic():
            workspace = provision_workspace(user, members, **fields)
            _name_levels(workspace, user, access_levels)
    except EngineError as error:
        raise ValidationError({"embedder": str(error)}) from error
    return workspace


def change_settings(
    user: User | None, workspace: Workspace, access_levels: Sequence[str] | None = None, **fields: Any
) -> None:
    """Change only these settings: ingestion may be updating the counters concurrently.

    access_levels: their names; None: no change. Raises ValidationError with a sentence per field, and changes
    nothing in that case.
    """
    stored = Workspace.objects.get(pk=workspace.pk)
    _require_answers({name: fields[name] for name in _changes(stored, fields)})
    with transaction.atomic():
        current = Workspace.objects.select_for_update().get(pk=workspace.pk)
        changed = _changes(current, fields)
        if refused := index_changes(current, changed):
            raise ValidationError(dict.fromkeys(refused, _NEEDS_INDEX))
        before = {name: getattr(current, name) for name in changed}
        for name, value in changed.items():
            setattr(current, name, value)
        current.full_clean()
        check_index_kind(current)
        current.save(update_fields=[*changed, "updated_at"])
        if changed:
            changes = differences(before, changed)
            record(user, "workspace.change", current.name, id=str(current.pk), changes=changes)
        if access_levels is not None:
            _name_levels(current, user, access_levels)
    workspace.refresh_from_db()


def index_changes(workspace: Workspace, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of these settings that need a new index. They keep their values until it is in use."""
    held = INDEX_SETTINGS if workspace.document_count else _OF_THE_TABLE
    return {name: value for name, value in fields.items() if name in held}


def _changes(workspace: Workspace, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if getattr(workspace, name) != value}


def _require_answers(fields: Mapping[str, Any]) -> None:
    """Make one real call to each chosen model: with a model that is down, every document would fail."""
    for name in _MODELS:
        if (endpoint := fields.get(name)) and (problem := find_problem(endpoint)):
            remedy = "Nothing was saved. Choose another model, or ask an operator to check this one."
            raise ValidationError({name: f"{problem} {remedy}"})


def _name_levels(workspace: Workspace, user: User | None, names: Sequence[str]) -> None:
    if not names and not workspace.access_levels:
        return
    try:
        name_levels(workspace, user, names)
    except ValidationError as error:
        raise ValidationError({"access_levels": error.messages}) from error
