from django.db import migrations
from psycopg import sql

from documents.fields.filters import type_of
from documents.models import Document

_BATCH = 1000


def _tell_the_engine(apps, schema_editor):
    """Have the tables of documents know what every document is: its type, its language, its dates."""
    for workspace in apps.get_model("workspaces", "Workspace").objects.filter(engine="pgvector"):
        numbers = {workspace.index_number}
        for reindex in workspace.reindexes.all():
            numbers.add(reindex.number if reindex.status == "running" else reindex.replaces)
        rows = apps.get_model("documents", "Document").objects.filter(workspace=workspace).exclude(ready_at=None)
        names = ("pk", "kind", "media_type", "language", "created_at", "ready_at")
        known = [
            (pk, type_of(Document(kind=kind, media_type=media_type)), language, created.date(), ready.date())
            for pk, kind, media_type, language, created, ready in rows.values_list(*names)
        ]
        for number in numbers:
            table = sql.Identifier("chunks", f"d_{workspace.id.hex}{f'_{number}' if number else ''}")
            for first in range(0, len(known), _BATCH):
                _describe(schema_editor.connection, table, known[first : first + _BATCH])


def _describe(connection, table, known):
    with connection.cursor() as cursor:
        statement = sql.SQL(
            "UPDATE {} d SET metadata = d.metadata || jsonb_build_object('type', said.type, 'language', said.language, "
            "'added', said.added, 'modified', said.modified, 'access_level', 0) "
            "FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::date[], %s::date[]) "
            "said (id, type, language, added, modified) WHERE d.document_id = said.id"
        ).format(table)
        cursor.execute(statement.as_string(cursor.connection), [list(each) for each in zip(*known, strict=True)])


class Migration(migrations.Migration):
    dependencies = [("documents", "0008_metadata"), ("workspaces", "0010_fields")]
    operations = [migrations.RunPython(_tell_the_engine, elidable=False)]
