"""Health checks of ingestion: alarms for work that no worker takes, or that makes no progress.

Recovery checks every few seconds, but it runs in a worker. So the console, a workspace's page and
/api/v1/health check too. A test without any worker shows that the alarms fire.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Aggregate, BooleanField, Count, Exists, ExpressionWrapper, Min, Q
from django.db.models.functions import Now
from redis.exceptions import RedisError

from core.leases import lease_expired
from documents.models import Document, LedgerEntry, ReindexItem, Work
from workspaces.models import Workspace

log = logging.getLogger(__name__)

OVERDUE = timedelta(minutes=1)  # recovery and a short queue take only seconds
STILL = timedelta(minutes=15)  # no stage and no batch takes this long
_S = Work.Status


def _is_abandoned() -> Q:
    return lease_expired(OVERDUE) & Q(status=_S.PROCESSING)


def _is_unattended() -> Q:
    """Return the condition for due work while no worker is busy: a long queue before busy workers is not stuck.

    Between two documents a worker holds no lease. Then the newest entry of the ledger tells that it worked lately.
    """
    working = (of.objects.filter(~lease_expired(), status=_S.PROCESSING) for of in (Document, ReindexItem))
    newest = LedgerEntry.objects.order_by("-pk").values("pk")[:1]
    lately = Q(started_at__gt=Now() - OVERDUE) | Q(finished_at__gt=Now() - OVERDUE)
    worked = LedgerEntry.objects.filter(lately, pk__in=newest)
    is_quiet = ~Exists(next(working)) & ~Exists(next(working)) & ~Exists(worked)
    return Q(status=_S.PENDING, next_attempt_at__lt=Now() - OVERDUE) & Q(is_quiet)


def _still() -> Q:
    return ~lease_expired(OVERDUE) & Q(status=_S.PROCESSING, moved_at__lt=Now() - STILL)


_NO_WORKER = (
    "No worker is active. Check that a worker and beat are running and can reach the broker: "
    "on one machine, make run starts them; their logs say why they stopped."
)
# Kind of alarm -> (which rows, the column since when, the rest of the sentence)
_KINDS = {
    "abandoned": (_is_abandoned, "lease_until", f"abandoned by a worker and not taken over. {_NO_WORKER}"),
    "unattended": (_is_unattended, "next_attempt_at", f"waiting for a worker. {_NO_WORKER}"),
    "still": (
        _still,
        "moved_at",
        f"without progress for more than {STILL.seconds // 60} minutes. Check the worker's log and the model's "
        "server. If a worker hangs, stop it: another one takes over.",
    ),
}


def stuck() -> Q:
    """Return the condition for work that needs an operator now."""
    return _is_abandoned() | _is_unattended() | _still()


def is_stuck() -> ExpressionWrapper[Q]:
    """Return the same condition as a column."""
    return ExpressionWrapper(stuck(), BooleanField())


@dataclass(frozen=True, slots=True)
class Alarm:
    kind: str
    count: int
    since: datetime  # of the oldest row
    sentence: str  # the problem, and what to do about it
    heading: str = "Something is stuck."


def find_alarms(workspace: Workspace | None = None) -> list[Alarm]:
    """Return the alarms of this workspace, or of all. Runs two queries."""
    asked: dict[str, Aggregate] = {}
    for kind, (which, moment, _) in _KINDS.items():
        asked[f"{kind}_count"] = Count("pk", filter=which())
        asked[f"{kind}_since"] = Min(moment, filter=which())
    documents, items = Document.objects.all(), ReindexItem.objects.all()
    if workspace:
        documents, items = documents.filter(workspace=workspace), items.filter(reindex__workspace=workspace)
    open_ones = (each.filter(status__in=(_S.PENDING, _S.PROCESSING)) for each in (documents, items))
    found = [each.aggregate(**asked) for each in open_ones]
    return [alarm for kind in _KINDS if (alarm := _alarm(kind, found))]


def report_alarms() -> list[Alarm]:
    """Return the alarms. Log each one once, as an error, until it is over."""
    found = {alarm.kind: alarm for alarm in find_alarms()}
    for kind in _KINDS:
        if _is_news(kind, raised=kind in found):
            log.error("Ingestion is stuck: %s", found[kind].sentence)
    return list(found.values())


def _alarm(kind: str, found: list[dict[str, Any]]) -> Alarm | None:
    count = sum(each[f"{kind}_count"] for each in found)
    if not count:
        return None
    since = min(each[f"{kind}_since"] for each in found if each[f"{kind}_count"])
    return Alarm(kind, count, since, f"{count:,} document{'s' * (count > 1)} {_KINDS[kind][2]}")


def _is_news(kind: str, *, raised: bool) -> bool:
    key = f"alarm.{kind}"
    try:
        if raised:
            return cache.add(key, True, timeout=None)
        cache.delete(key)
    except RedisError:
        return raised  # the cache is unreachable: log twice rather than never
    return False
