"""Work that failed because of its embedding endpoint: it goes on by itself once a check finds the endpoint well.

A fault of the endpoint (no such model, a refused key, nobody there) is no fault of the document. If the server
failed on this very document, which a check cannot tell apart, the number of resumptions is limited.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, F, Min, Q

from documents.models import Document, ReindexItem, Work, WorkQuerySet
from inference.errors import InferenceError, Misconfigured, NotConnected, RateLimited, Unauthorized
from models_registry.models import Endpoint
from workspaces.models import Workspace

from .health import Alarm

MAX_RESUMPTIONS = 3  # after failures that may be the document's fault
_PER_ROUND = 20  # rounds are five seconds apart: a returning server gets its work back gradually


def is_surely_endpoint(error: Exception) -> bool:
    """Return whether the error cannot be the document's fault. Others, such as status 500, may be."""
    sure = (Misconfigured, Unauthorized, NotConnected, RateLimited)
    return isinstance(error, sure) or not isinstance(error, InferenceError)


def resume() -> int:
    """Restart work whose endpoint was found well after the work had failed. Return how many documents."""
    return sum(_resume(of.objects.waiting_for_endpoint()) for of in (Document, ReindexItem))


def _resume(waiting: WorkQuerySet[Any]) -> int:
    well = Q(
        waits_for__last_check_ok=True,
        waits_for__other_model_since=None,
        waits_for__last_check_at__gt=F("updated_at"),
    )
    due = list(waiting.filter(well).order_by("updated_at").values_list("pk", flat=True)[:_PER_ROUND])
    again = Work.restart_values() | {"resumptions": F("resumptions")}
    return waiting.filter(pk__in=due).update(**again)


def find_endpoint_alarms(workspace: Workspace | None = None) -> list[Alarm]:
    """Return the embedding endpoints of this workspace, or of all, that stop its work."""
    endpoints = Endpoint.objects.filter(kind=Endpoint.Kind.EMBEDDING)
    documents = Document.objects.waiting_for_endpoint()
    if workspace:
        endpoints = endpoints.filter(pk=workspace.embedder_id)
        documents = documents.filter(workspace=workspace)
    changed = endpoints.exclude(other_model_since=None)
    alarms = [
        Alarm("other_model", 1, each.other_model_since, _other_model(each), _ATTENTION)
        for each in changed
        if each.other_model_since
    ]
    counted = documents.values("waits_for__name", "waits_for__last_check_ok").order_by("waits_for__name")
    for row in counted.annotate(count=Count("pk"), since=Min("updated_at")):
        alarms.append(Alarm("endpoint", row["count"], row["since"], _waits(row), _ATTENTION))
    return alarms


_ATTENTION = "A model needs attention."


def _other_model(endpoint: Endpoint) -> str:
    return f"{endpoint.name}: {endpoint.last_error}"


def _waits(row: Mapping[str, Any]) -> str:
    count = row["count"]
    next_step = (
        "They go on now, some every few seconds."
        if row["waits_for__last_check_ok"]
        else "They go on by themselves once its check succeeds."
    )
    plural = "" if count == 1 else "s"
    return f"{count:,} document{plural} wait{'s' if count == 1 else ''} for endpoint {row['waits_for__name']}. {next_step}"
