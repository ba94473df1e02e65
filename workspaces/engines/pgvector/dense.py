"""SQL of the dense leg: finds the chunks nearest to a vector, with or without a vector index."""

from psycopg import sql

from inference.types import Vector
from workspaces.models import IndexKind, VectorIndex, Workspace

from . import lexical
from .ann_index import USUAL_BREADTH
from .filter_plan import Within
from .tables import Tables, TableStatement, literal
from .tsquery import LexicalQuery

_MAX_EF_SEARCH = 1000  # the maximum of hnsw.ef_search

# Without iterative scan a filter leaves a handful of the index's candidates, or none. The breadth is the
# measured one (`workspaces.engines.pgvector.maintenance`); reading it here saves a round trip.
_SETTINGS = """SELECT
    set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('ivfflat.iterative_scan', 'relaxed_order', true),
    set_config('hnsw.ef_search', greatest(%s, max(breadth) FILTER (WHERE kind = %s), %s)::text, true),
    set_config('ivfflat.probes', coalesce(max(breadth) FILTER (WHERE kind = %s), %s)::text, true)
FROM {rows} WHERE workspace_id = %s AND index_number = %s"""


def search(
    workspace: Workspace,
    tables: Tables,
    vector: Vector,
    question: LexicalQuery,
    limit: int,
    among: Within,
    fields: sql.SQL,
) -> list[TableStatement]:
    """Return the statements to run in one transaction; the last one returns the rows."""
    # OFFSET 0 keeps the planner from using an index where comparing a few chunks is faster: it misjudges both
    # costs.
    is_few = among.is_narrow or bool(question.required)
    chosen = "(SELECT * FROM {within} {restriction} OFFSET 0) few" if is_few else "{within} {restriction}"
    candidates = sql.SQL(chosen).format(
        within=among.source, restriction=lexical.restriction(tables, question)
    )
    nearest = tables.statement(
        """SELECT {fields}, {similarity} FROM (
            SELECT *, embedding {operator} %s::halfvec AS d FROM {candidates} ORDER BY d LIMIT %s) nearest
        ORDER BY d""",
        [literal(vector), *among.params, limit],
        fields=fields,
        candidates=candidates,
    )
    return [nearest] if is_few else [_settings(workspace, tables, limit), nearest]


def _settings(workspace: Workspace, tables: Tables, limit: int) -> TableStatement:
    least = min(limit, _MAX_EF_SEARCH)
    hnsw, lists = IndexKind.HNSW, IndexKind.IVFFLAT
    return tables.statement(
        _SETTINGS,
        [
            least, hnsw, USUAL_BREADTH[hnsw], lists, USUAL_BREADTH[lists],
            workspace.pk, workspace.index_number,
        ],
        rows=sql.Identifier(VectorIndex._meta.db_table),
    )  # fmt: skip
