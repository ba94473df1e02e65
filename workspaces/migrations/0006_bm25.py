from django.db import migrations


def _refuse_chunks_without_weights(apps, schema_editor):
    """Chunk tables of a build before the first published one have no weights, and nobody has such data."""
    if apps.get_model("workspaces", "Workspace").objects.filter(engine="pgvector").exists():
        raise RuntimeError(
            "This database was made before version 0.1.0. Create a new one, and add the documents again."
        )


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0005_chunking_strategies")]
    operations = [migrations.RunPython(_refuse_chunks_without_weights, elidable=False)]
