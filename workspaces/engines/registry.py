"""The engines there are."""

from workspaces.models import Workspace

from .contract import Engine
from .pgvector.engine import PgVector

ENGINES: dict[str, tuple[str, type[Engine]]] = {
    "pgvector": ("PostgreSQL (pgvector)", PgVector),
}


def engine_for(workspace: Workspace) -> Engine:
    """Return the engine of its index that answers now; of `Reindex.target()`, of the one that is being built."""
    return ENGINES[workspace.engine][1](workspace)
