"""Compares counters with the data they count.

Each difference is a bug: report it, whether it can be fixed or not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Sum

from documents.models import Document
from workspaces.engines import ENGINES, Engine, engine_for
from workspaces.models import Workspace

from . import quarantine
from .restart import restart

_READ_AGAIN = "The document will be read again."
_PARENTS = (Document.Kind.SITE, Document.Kind.FEED)  # their text is in their sub-documents


@dataclass(frozen=True, slots=True)
class Drift:
    sentence: str
    mend: Callable[[], object] | None  # fixes it; None: only a person can
    remedy: str = ""  # what `mend` does, as a sentence


def find_drift() -> list[Drift]:
    """Return all differences. Ingestion may continue meanwhile: counters and chunks are of one snapshot."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        workspaces = list(Workspace.objects.select_related("embedder"))
        used = [workspace for workspace in workspaces if not workspace.deleted_at]
        chunks = [drift for workspace in used for drift in _of_chunks(workspace)]
        counters = [drift for workspace in used for drift in _of_counters(workspace)]
        tables = list(_of_storage(workspaces))
    return [*chunks, *counters, *tables, *_of_files()]


# --- counters and chunks ------------------------------------------------------------------------


def _count(workspace: Workspace) -> dict[str, int]:
    return workspace.documents.aggregate(
        document_count=Count("pk"),
        size_bytes=Sum("size_bytes", default=0),
        chunk_count=Sum("chunk_count", default=0),
    )


def _of_counters(workspace: Workspace) -> Iterator[Drift]:
    for name, there in _count(workspace).items():
        said = getattr(workspace, name)
        if said != there:
            sentence = f"{workspace}: {name} is {said:,}, but the actual number is {there:,}."
            yield Drift(sentence, partial(_count_again, workspace), "It will be counted again.")


@transaction.atomic
def _count_again(workspace: Workspace) -> None:
    locked = Workspace.objects.select_for_update().get(pk=workspace.pk)
    Workspace.objects.filter(pk=workspace.pk).update(**_count(locked))


def _of_chunks(workspace: Workspace) -> Iterator[Drift]:
    engine = engine_for(workspace)
    live = engine.counts()
    documents = {document.pk: document for document in workspace.documents.all()}
    being_deleted = set(Document.every.being_deleted(workspace).values_list("pk", flat=True))
    for orphan in live.keys() - documents.keys() - being_deleted:
        sentence = f"{workspace}: there are chunks of a deleted document ({orphan})."
        yield Drift(sentence, partial(engine.forget, orphan), "They will be deleted.")
    for pk, document in documents.items():
        there = live.get(pk, 0)
        if document.chunk_count != there:
            sentence = (
                f"{workspace}: {document} should have {document.chunk_count:,} chunks, but has {there:,}."
            )
            yield Drift(sentence, partial(_read_again, document), _READ_AGAIN)
        elif document.status == Document.Status.READY and not there and document.kind not in _PARENTS:
            sentence = f"{workspace}: {document} is ready but has no chunks."
            yield Drift(sentence, partial(_read_again, document), _READ_AGAIN)


@transaction.atomic
def _read_again(document: Document) -> None:
    """Correct the chunk counts and restart the document's ingestion, unless a worker has it and will correct them."""
    locked = Document.objects.select_for_update(of=("self",)).with_settings().get(pk=document.pk)
    if locked.status == Document.Status.PROCESSING:  # its worker adds to the counters relative to its start
        return
    there = engine_for(locked.workspace).counts().get(locked.pk, 0)
    Workspace.objects.filter(pk=locked.workspace_id).update(
        chunk_count=F("chunk_count") + there - locked.chunk_count
    )
    Document.objects.filter(pk=locked.pk).update(chunk_count=there)
    restart(locked, None)


# --- tables and files ---------------------------------------------------------------------------


def _of_storage(workspaces: list[Workspace]) -> Iterator[Drift]:
    known: dict[type[Engine], set[str]] = {each.engine: set() for each in ENGINES.values()}
    for workspace in workspaces:
        besides = workspace.reindexes.select_related("workspace", "embedder")
        for index in (workspace, *(each.beside() for each in besides)):
            engine = engine_for(index)
            known[type(engine)].update(engine.storage_names())
    for kind, names in known.items():
        there = kind.stored_names()
        for name in sorted(there - names):
            sentence = f"The table chunks.{name} belongs to no workspace."
            yield Drift(sentence, partial(kind.drop_stored, name), "It will be dropped.")
        for name in sorted(names - there):
            yield Drift(f"The table chunks.{name} is missing. Restore it from a backup.", None)


def _of_files() -> Iterator[Drift]:
    """Compare the files with the rows. A file that no row names may be the only copy, so it is never deleted."""
    unknown, missing = quarantine.compare()
    aside = quarantine.by_original_name() if missing else {}
    for name in unknown:
        remedy = f"It will be moved to {quarantine.FOLDER}/ and kept for {settings.QUARANTINE_DAYS} days."
        yield Drift(f"The file {name} belongs to no document.", partial(quarantine.put_aside, name), remedy)
    for document in missing:
        name = str(document.file.name)
        sentence = f"{document.workspace}: {document}: its file {name} is missing from the storage."
        if held := aside.get(name):
            yield Drift(
                f"{sentence} It was put aside.",
                partial(_put_back, document, held),
                f"{held} will be moved back.",
            )
        else:
            yield Drift(f"{sentence} Restore it from a backup, or add the same file again.", None)


def _put_back(document: Document, held: str) -> None:
    """Move the file back, and restart the document if it failed without it."""
    quarantine.put_back(held)
    if document.status == Document.Status.FAILED:
        restart(document, None)
