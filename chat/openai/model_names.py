"""Model names for chat completions clients: one name selects a model and, optionally, a workspace.

"small"          the chat model of this name, without documents
"Handbook/small" the same model, with the documents of this workspace
"Handbook/"      the default model, with these documents

Names may contain slashes and spaces. An exact model name has priority, then the longest workspace name. Ids
work like names and are never ambiguous.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import User
from chat.errors import UnknownModel
from core.text import storable, uuid_or_none
from models_registry.models import Endpoint
from workspaces.access import workspaces_for
from workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class NamedModel:
    endpoint: Endpoint | None  # None: the default
    workspace: Workspace | None


def resolve_model(user: User, name: str) -> NamedModel:
    """Return the model and the workspace that this name selects. Raises UnknownModel."""
    name = storable(name)
    cuts = [place for place, sign in enumerate(name) if sign == "/"]
    endpoints = _by_name(
        Endpoint.objects.offered(Endpoint.Kind.CHAT), {name, *(name[cut + 1 :] for cut in cuts)}
    )
    if name in endpoints:
        return NamedModel(endpoints[name], None)
    workspaces = _by_name(workspaces_for(user), {name[:cut] for cut in cuts})
    for cut in reversed(cuts):
        workspace, model = workspaces.get(name[:cut]), name[cut + 1 :]
        if workspace and (model in endpoints or not model):
            return NamedModel(endpoints.get(model), workspace)
    raise UnknownModel(f"There is no model {name[:200]!r}: GET /v1/models lists the available models.")


def _by_name(rows: QuerySet[Any], names: Collection[str]) -> dict[str, Any]:
    """Return the rows with these names or ids, each under its name and its id."""
    found = rows.filter(Q(name__in=names) | Q(pk__in=filter(None, map(uuid_or_none, names))))
    return {name: row for row in found for name in (row.name, str(row.pk))}


def list_names(user: User) -> list[str]:
    """Return all names that this user can choose: models, and workspaces alone and with each model."""
    models = list(Endpoint.objects.offered(Endpoint.Kind.CHAT).values_list("name", flat=True))
    workspaces = workspaces_for(user).values_list("name", flat=True)
    return models + [f"{workspace}/{model}" for workspace in workspaces for model in ["", *models]]
