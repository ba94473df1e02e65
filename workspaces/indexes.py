"""Fan-out of changes to all indexes of a workspace: the one in use, and the one that is being built."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from .engines import Engine, IndexedMetadata, engine_for
from .models import Reindex, Workspace


def forget(workspace: Workspace, documents: Iterable[UUID]) -> None:
    """Delete the chunks of documents from all indexes."""
    gone = list(documents)
    for engine in _engines(workspace):
        for document_id in gone:
            engine.forget(document_id)


def describe(workspace: Workspace, documents: Mapping[UUID, IndexedMetadata]) -> None:
    """Update the metadata of documents in all indexes."""
    for engine in _engines(workspace):
        engine.describe(documents)


def rename(workspace: Workspace, document_id: UUID, name: str) -> None:
    """Let the chunks of a document be found by its new name in all indexes."""
    for engine in _engines(workspace):
        engine.rename(document_id, name)


def _engines(workspace: Workspace) -> list[Engine]:
    building = workspace.reindexes.filter(status=Reindex.Status.RUNNING).select_related(
        "embedder", "workspace"
    )
    return [engine_for(workspace), *(engine_for(each.target()) for each in building)]
