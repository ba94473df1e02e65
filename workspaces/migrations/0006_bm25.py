from django.db import migrations
from psycopg import sql

from workspaces.engines import lexical

_BATCH = 500  # chunks


def _index_the_words_anew(apps, schema_editor):
    """Give every chunk table the columns and the term table that `PgVector.create` makes since."""
    cursor = schema_editor.connection.cursor()
    for workspace in apps.get_model("workspaces", "Workspace").objects.filter(engine="pgvector"):
        indexes = [(workspace.index_number, workspace.languages)]
        for reindex in workspace.reindexes.all():
            is_running = reindex.status == "running"
            number = reindex.number if is_running else reindex.replaces
            indexes.append((number, reindex.languages if is_running else workspace.languages))
        for number, languages in dict(indexes).items():
            _index_words(cursor, f"{workspace.id.hex}{f'_{number}' if number else ''}", languages)


def _index_words(cursor, name, languages):
    names = {kind: sql.Identifier("chunks", f"{kind[0]}_{name}") for kind in ("words", "terms")}

    def run(query, params=(), **parts):
        composed = sql.SQL(query).format(table=names["words"], terms=names["terms"], **parts)
        cursor.execute(composed.as_string(cursor.connection), params or None)
        return cursor.fetchall() if cursor.description else []

    run("ALTER TABLE {table} DROP words, ADD words tsvector, ADD weights sparsevec, ADD length integer, ADD k real")
    last, mean = 0, None
    while rows := run("SELECT id, text FROM {table} WHERE id > %s ORDER BY id LIMIT %s", [last, _BATCH]):
        found = lexical.indexed([text for _, text in rows], languages, mean)
        mean = mean or sum(each.length for each in found) / len(found)
        run(
            "UPDATE {table} SET words = new.words::tsvector, weights = new.weights::sparsevec, length = new.length, "
            "k = new.k FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::integer[], %s::real[]) "
            "new (id, words, weights, length, k) "
            "WHERE {table}.id = new.id",
            [
                [id for id, _ in rows],
                [each.words for each in found],
                [each.weights for each in found],
                [each.length for each in found],
                [each.k for each in found],
            ],
        )
        last = rows[-1][0]
    run("ALTER TABLE {table} ALTER words SET NOT NULL, ALTER weights SET NOT NULL, ALTER length SET NOT NULL, "
        "ALTER k SET NOT NULL")
    lexical.create(run)
    for (document_id,) in run("SELECT DISTINCT document_id FROM {table} WHERE live"):
        lexical.recount(run, document_id, +1)


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0005_chunking_strategies")]
    operations = [migrations.RunPython(_index_the_words_anew, elidable=False)]
