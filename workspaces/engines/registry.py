"""The engines there are. A new one is a package beside this module and a row here."""

from dataclasses import dataclass

from workspaces.models import IndexKind, Workspace

from .contract import Engine
from .pgvector.engine import PgVector


@dataclass(frozen=True, slots=True)
class EngineInfo:
    label: str
    engine: type[Engine]
    index_kinds: tuple[IndexKind, ...] = ()  # that its vector index may have; (): it needs no choice


ENGINES: dict[str, EngineInfo] = {
    "pgvector": EngineInfo("PostgreSQL (pgvector)", PgVector, tuple(IndexKind)),
}


def engine_for(workspace: Workspace) -> Engine:
    """Return the engine of its index that answers now; of `Reindex.target()`, of the one that is being built."""
    return ENGINES[workspace.engine].engine(workspace)
