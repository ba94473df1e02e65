"""What happened to a document on its way, run by run, for its page."""

from dataclasses import dataclass, field

from django.db.models import Count, Sum

from documents.models import Document, LedgerEntry

_ORDER = list(Document.Stage.values)


@dataclass(slots=True)
class TimelineAttempt:
    """One attempt: its stages in the order they ran."""

    attempt: int
    entries: list[LedgerEntry] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return self.entries[-1].outcome


def load_timeline(document: Document) -> list[TimelineAttempt]:
    """Return the attempts at the document, the newest first. The newest embedding tells of its batches."""
    runs: list[TimelineAttempt] = []
    for entry in document.ledger.all():
        if not runs or _begins_anew(runs[-1], entry):
            runs.append(TimelineAttempt(entry.attempt))
        runs[-1].entries.append(entry)
    if runs:
        _tell_of_batches(document, runs[-1])
    return runs[::-1]


def _begins_anew(run: TimelineAttempt, entry: LedgerEntry) -> bool:
    is_earlier = _ORDER.index(entry.stage) <= _ORDER.index(run.entries[-1].stage)
    return entry.attempt != run.attempt or is_earlier


def _tell_of_batches(document: Document, run: TimelineAttempt) -> None:
    embedding = next((each for each in run.entries if each.stage == Document.Stage.EMBED), None)
    if embedding is None:
        return
    told = document.batches.filter(at__gte=embedding.started_at).aggregate(
        batches=Count("pk"), chunks=Sum("chunk_count", default=0), embedded=Sum("embedded_count", default=0)
    )
    if told["batches"]:
        detail = {"batches": told["batches"], "embedded": told["embedded"]}
        embedding.detail = embedding.detail | detail | {"kept": told["chunks"] - told["embedded"]}
