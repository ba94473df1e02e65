"""The one door for a workspace's settings. Forms, the REST API, the admin and commands parse; the rules are here.

What an index is made with (INDEX_SETTINGS) holds for every document in it: with documents there, it changes by
building a new index, documents.reindex.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

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
)  # the chunk table was made with them, even if it is empty
_NEEDS_INDEX = "The documents that are there were read with another one. Build a new index to change it."
_NO_EMBEDDER = "No embedding model is set up yet. An operator adds one in the admin."


def create_workspace(
    user: User | None, members: Iterable[User] = (), access_levels: Sequence[str] = (), **fields: Any
) -> Workspace:
    """Make a workspace with `user` as its manager, or nothing.

    fields: those of Workspace; without an embedder the first that is offered. Raises ValidationError with a
    sentence per field.
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
    """Change these settings and no others: the counters belong to the ingestion, which may be at work.

    access_levels: their names; None: as they are. Raises ValidationError with a sentence per field; nothing is
    changed then.
    """
    stored = Workspace.objects.get(pk=workspace.pk)
    _require_answers({name: fields[name] for name in _changes(stored, fields)})
    with transaction.atomic():
        current = Workspace.objects.select_for_update().get(pk=workspace.pk)
        changed = _changes(current, fields)
        if refused := index_changes(current, changed):
            raise ValidationError(dict.fromkeys(refused, _NEEDS_INDEX))
        for name, value in changed.items():
            setattr(current, name, value)
        current.full_clean()
        check_index_kind(current)
        current.save(update_fields=[*changed, "updated_at"])
        if changed:
            record(user, "workspace.change", current.name, id=str(current.pk), fields=sorted(changed))
        if access_levels is not None:
            _name_levels(current, user, access_levels)
    workspace.refresh_from_db()


def index_changes(workspace: Workspace, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return which of these settings take a new index: they stay as they are until it answers."""
    held = INDEX_SETTINGS if workspace.document_count else _OF_THE_TABLE
    return {name: value for name, value in fields.items() if name in held}


def _changes(workspace: Workspace, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if getattr(workspace, name) != value}


def _require_answers(fields: Mapping[str, Any]) -> None:
    """Make one real call to each model that was chosen: one that is down now would fail every document."""
    for name in _MODELS:
        if (endpoint := fields.get(name)) and (problem := find_problem(endpoint)):
            remedy = "Nothing was saved. Choose another model, or ask an operator to look at this one."
            raise ValidationError({name: f"{problem} {remedy}"})


def _name_levels(workspace: Workspace, user: User | None, names: Sequence[str]) -> None:
    if not names and not workspace.access_levels:
        return
    try:
        name_levels(workspace, user, names)
    except ValidationError as error:
        raise ValidationError({"access_levels": error.messages}) from error
