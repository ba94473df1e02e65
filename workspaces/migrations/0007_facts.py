from django.db import migrations
from psycopg import sql


def _add_facts(apps, schema_editor):
    """Give every table of documents the columns that `PgVector.create` makes since: nothing known, for everyone."""
    cursor = schema_editor.connection.cursor()
    for workspace in apps.get_model("workspaces", "Workspace").objects.filter(engine="pgvector"):
        numbers = {workspace.index_number}
        for reindex in workspace.reindexes.all():
            numbers.add(reindex.number if reindex.status == "running" else reindex.replaces)
        for number in numbers:
            name = f"d_{workspace.id.hex}{f'_{number}' if number else ''}"
            statement = sql.SQL(
                "ALTER TABLE {table} ADD metadata jsonb NOT NULL DEFAULT '{{}}', "
                "ADD access_level integer NOT NULL DEFAULT 0"
            ).format(table=sql.Identifier("chunks", name))
            cursor.execute(statement.as_string(cursor.connection))


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0006_bm25")]
    operations = [migrations.RunPython(_add_facts, elidable=False)]
