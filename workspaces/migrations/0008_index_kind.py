import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from psycopg import sql

_KINDS = [("auto", "As suits the size"), ("exact", "None: exact searches"), ("hnsw", "HNSW"), ("ivfflat", "IVFFlat")]


def _keep_what_was_chosen(apps, schema_editor):
    workspaces = apps.get_model("workspaces", "Workspace").objects
    workspaces.filter(is_indexed=True).update(index_kind="hnsw")
    workspaces.filter(is_indexed=False).update(index_kind="exact")


def _say_if_there_is_one(apps, schema_editor):
    apps.get_model("workspaces", "Workspace").objects.update(
        is_indexed=models.Case(models.When(index_kind="exact", then=False), default=True)
    )


def _count_chunks_of_documents(apps, schema_editor):
    """Have the tables as `PgVector.create` makes them since; vectors of whole documents are compared exactly."""
    cursor = schema_editor.connection.cursor()
    for workspace in apps.get_model("workspaces", "Workspace").objects.filter(engine="pgvector"):
        numbers = {workspace.index_number}
        for reindex in workspace.reindexes.all():
            numbers.add(reindex.number if reindex.status == "running" else reindex.replaces)
        for number in numbers:
            name = f"{workspace.id.hex}{f'_{number}' if number else ''}"
            chunks, documents = (sql.Identifier("chunks", f"{kind}_{name}") for kind in "wd")
            index = sql.Identifier("chunks", f"d_{name}_embedding_idx")
            for query in (
                "ALTER TABLE {chunks} ALTER embedding SET STORAGE MAIN",
                "DROP INDEX IF EXISTS {index}",
                "ALTER TABLE {documents} ADD chunks integer NOT NULL DEFAULT 0",
                "UPDATE {documents} SET chunks = (SELECT count(*) FROM {chunks} c "
                "WHERE c.document_id = {documents}.document_id AND live)",
            ):
                statement = sql.SQL(query).format(chunks=chunks, documents=documents, index=index)
                cursor.execute(statement.as_string(cursor.connection))


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0008_fields")]
    operations = [
        migrations.AddField(
            "workspace",
            "index_kind",
            models.CharField("vector index", max_length=10, choices=_KINDS, default="auto"),
        ),
        migrations.RunPython(_keep_what_was_chosen, _say_if_there_is_one, elidable=False),
        migrations.RemoveField("workspace", "is_indexed"),
        migrations.RemoveField("reindex", "is_indexed"),
        migrations.CreateModel(
            "VectorIndex",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("index_number", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("working", "Working"), ("failed", "Failed")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("queued_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("chunks", models.PositiveIntegerField(default=0)),
                ("still_since", models.DateTimeField(default=django.utils.timezone.now)),
                ("kind", models.CharField(choices=_KINDS, default="exact", max_length=10)),
                ("breadth", models.PositiveIntegerField(null=True)),
                ("recall", models.FloatField(null=True)),
                ("measured_chunks", models.PositiveIntegerField(default=0)),
                ("measured_at", models.DateTimeField(null=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="vector_indexes",
                        to="workspaces.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "vector indexes",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "index_number"], name="one_vector_index_per_index"
                    )
                ],
            },
        ),
        migrations.RunPython(_count_chunks_of_documents, elidable=False),
    ]
