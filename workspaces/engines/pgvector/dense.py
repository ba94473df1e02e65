"""The statements that find the chunks nearest to a vector, by whatever index stands."""

from psycopg import sql

from inference.types import Vector
from workspaces.models import IndexKind, VectorIndex, Workspace

from . import lexical
from .ann_index import USUAL_BREADTH
from .filter_plan import Within
from .tables import Tables, TableStatement, literal
from .tsquery import LexicalQuery

_MAX_EF_SEARCH = 1000  # that hnsw.ef_search may be

# Without iterative scan a filter leaves an index with a handful of its candidates, or none. The breadth is what
# measuring found (`workspaces.engines.pgvector.maintenance`); it is read here, so that a search costs no round trip for it.
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
    """Return what is to be run in one transaction; the last gives the rows."""
    # OFFSET 0 keeps the planner from walking an index where comparing a few chunks is quicker: it misjudges both.
    is_few = among.is_narrow or bool(question.required)
    chosen = "(SELECT * FROM {within} {restriction} OFFSET 0) few" if is_few else "{within} {restriction}"
    candidates = sql.SQL(chosen).format(within=among.source, restriction=lexical.restriction(question))
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
