from django.db import migrations


class Migration(migrations.Migration):
    """The tables of chunks, made with each workspace, need the extension. A superuser may have made it before."""

    dependencies = [("workspaces", "0001_initial")]
    operations = [migrations.RunSQL("create extension if not exists vector", migrations.RunSQL.noop)]
