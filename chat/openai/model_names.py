"""The names under which a chat client chooses a model and a workspace at once.

"small"          the chat model of this name, without documents
"Handbook/small" the same model, asked about the documents of this workspace
"Handbook/"      the default model, asked about them

Names may hold slashes and spaces themselves. A model's own name goes first; then the longest name of a
workspace. Ids do as well as names, and are never mistaken.
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
    """Return what this name chooses. Raises Unknown."""
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
    raise UnknownModel(f"There is no model {name[:200]!r}: GET /v1/models lists those there are.")


def _by_name(rows: QuerySet[Any], names: Collection[str]) -> dict[str, Any]:
    """Return the rows with these names or ids, under both."""
    found = rows.filter(Q(name__in=names) | Q(pk__in=filter(None, map(uuid_or_none, names))))
    return {name: row for row in found for name in (row.name, str(row.pk))}


def list_names(user: User) -> list[str]:
    """Return all names that this user may choose: the models, and each workspace with each of them."""
    models = list(Endpoint.objects.offered(Endpoint.Kind.CHAT).values_list("name", flat=True))
    workspaces = workspaces_for(user).values_list("name", flat=True)
    return models + [f"{workspace}/{model}" for workspace in workspaces for model in ["", *models]]
