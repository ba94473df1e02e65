"""Compares counters with the data they count.

Each difference is a bug: report it, whether it can be fixed or not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.files.storage import Storage, default_storage
from django.db import connection, transaction
from django.db.models import Count, F, Sum
from django.utils import timezone

from documents.models import Document
from workspaces.engines import ENGINES, Engine, engine_for
from workspaces.models import Workspace

from .restart import restart

_UPLOADING = timedelta(hours=1)  # a file is stored before its document is recorded
_FOLDER = "workspaces"  # in the storage: see Document.file
_PARENTS = (Document.Kind.SITE, Document.Kind.FEED)  # their text is in their sub-documents


@dataclass(frozen=True, slots=True)
class Drift:
    sentence: str
    mend: Callable[[], object] | None  # fixes it; None: only a person can


def find_drift() -> list[Drift]:
    """Return all differences in one snapshot of the database: ingestion may continue meanwhile."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        workspaces = list(Workspace.objects.select_related("embedder"))
        used = [workspace for workspace in workspaces if not workspace.deleted_at]
        chunks = [drift for workspace in used for drift in _of_chunks(workspace)]
        counters = [drift for workspace in used for drift in _of_counters(workspace)]
        return [*chunks, *counters, *_of_storage(workspaces), *_of_files(default_storage)]


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
            yield Drift(sentence, partial(_count_again, workspace))


@transaction.atomic
def _count_again(workspace: Workspace) -> None:
    locked = Workspace.objects.select_for_update().get(pk=workspace.pk)
    Workspace.objects.filter(pk=workspace.pk).update(**_count(locked))


def _of_chunks(workspace: Workspace) -> Iterator[Drift]:
    engine = engine_for(workspace)
    live = engine.counts()
    documents = {document.pk: document for document in workspace.documents.all()}
    for orphan in live.keys() - documents.keys():
        yield Drift(
            f"{workspace}: there are chunks of a deleted document ({orphan}).", partial(engine.forget, orphan)
        )
    for pk, document in documents.items():
        there = live.get(pk, 0)
        if document.chunk_count != there:
            sentence = (
                f"{workspace}: {document} should have {document.chunk_count:,} chunks, but has {there:,}."
            )
            yield Drift(sentence, partial(_read_again, document))
        elif document.status == Document.Status.READY and not there and document.kind not in _PARENTS:
            yield Drift(
                f"{workspace}: {document} is ready but has no chunks.", partial(_read_again, document)
            )


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
            yield Drift(f"The table chunks.{name} belongs to no workspace.", partial(kind.drop_stored, name))
        for name in sorted(names - there):
            yield Drift(f"The table chunks.{name} is missing. Restore it from a backup.", None)


def _of_files(storage: Storage) -> Iterator[Drift]:
    known: dict[str, Document] = {str(each.file.name): each for each in Document.objects.exclude(file="")}
    there = set(_files(storage))
    for name in sorted(there - known.keys()):
        if storage.get_modified_time(name) < timezone.now() - _UPLOADING:
            yield Drift(f"The file {name} belongs to no document.", partial(storage.delete, name))
    for name in sorted(known.keys() - there):
        yield Drift(f"{known[name]}: its file {name} is missing from the storage. Add it again.", None)


def _files(storage: Storage, folder: str = _FOLDER) -> Iterator[str]:
    listed: Any = storage.listdir(folder) if storage.exists(folder) else ((), ())
    folders, files = listed
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        yield from _files(storage, f"{folder}/{name}")
