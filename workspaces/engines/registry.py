"""The registry of engines. To add one, write a package in this folder and add a row here."""

from dataclasses import dataclass

from workspaces.models import IndexKind, Workspace

from .contract import Engine
from .pgvector.engine import PgVector


@dataclass(frozen=True, slots=True)
class EngineInfo:
    label: str
    engine: type[Engine]
    index_kinds: tuple[IndexKind, ...] = ()  # kinds of vector index that it offers; (): nothing to choose


ENGINES: dict[str, EngineInfo] = {
    "pgvector": EngineInfo("PostgreSQL (pgvector)", PgVector, tuple(IndexKind)),
}


def engine_for(workspace: Workspace) -> Engine:
    """Return the engine of the workspace's index in use; for `Reindex.target()`, of the index being built."""
    return ENGINES[workspace.engine].engine(workspace)
