"""The timeline of a document's ingestion, attempt by attempt, for the document's page."""

from dataclasses import dataclass, field

from django.db.models import Count, Sum

from documents.models import Document, LedgerEntry

_ORDER = list(Document.Stage.values)
_LAST = 60  # stages that a page shows at first
_MOST = 1_000  # stages that it shows when asked for all; ledger_trimming keeps fewer


@dataclass(slots=True)
class TimelineAttempt:
    """One attempt: its stages in the order they ran."""

    attempt: int
    entries: list[LedgerEntry] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return self.entries[-1].outcome


@dataclass(frozen=True, slots=True)
class Timeline:
    runs: list[TimelineAttempt]  # newest first
    is_whole: bool  # else there are earlier ones


def load_timeline(document: Document, *, with_earlier: bool = False) -> Timeline:
    """Return the last attempts at the document, or nearly all of them.

    The newest embedding stage includes its batch totals.
    """
    most = _MOST if with_earlier else _LAST
    entries = list(document.ledger.order_by("-pk")[: most + 1])
    runs: list[TimelineAttempt] = []
    for entry in reversed(entries[:most]):
        if not runs or _starts_attempt(runs[-1], entry):
            runs.append(TimelineAttempt(entry.attempt))
        runs[-1].entries.append(entry)
    if runs:
        _add_batch_totals(document, runs[-1])
    return Timeline(runs[::-1], len(entries) <= most)


def _starts_attempt(run: TimelineAttempt, entry: LedgerEntry) -> bool:
    is_earlier = _ORDER.index(entry.stage) <= _ORDER.index(run.entries[-1].stage)
    return entry.attempt != run.attempt or is_earlier


def _add_batch_totals(document: Document, run: TimelineAttempt) -> None:
    embedding = next((each for each in run.entries if each.stage == Document.Stage.EMBED), None)
    if embedding is None:
        return
    totals = document.batches.filter(at__gte=embedding.started_at).aggregate(
        batches=Count("pk"), chunks=Sum("chunk_count", default=0), embedded=Sum("embedded_count", default=0)
    )
    if totals["batches"]:
        detail = {"batches": totals["batches"], "embedded": totals["embedded"]}
        embedding.detail = embedding.detail | detail | {"kept": totals["chunks"] - totals["embedded"]}
