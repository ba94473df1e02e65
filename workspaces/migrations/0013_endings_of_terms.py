from django.db import migrations

# Related forms of a word that no chunk has are also looked up by how they end.
_EACH_TABLE = r"""
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'chunks' AND tablename LIKE 't\_%'
        LOOP EXECUTE format('{change}', name || '_reverse_idx', name); END LOOP;
    END $$
"""
_ADD = "CREATE INDEX IF NOT EXISTS %1$I ON chunks.%2$I (reverse(term))"
_DROP = "DROP INDEX IF EXISTS chunks.%1$I"


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0012_floors_by_language")]
    operations = [
        migrations.RunSQL(_EACH_TABLE.replace("{change}", _ADD), _EACH_TABLE.replace("{change}", _DROP)),
    ]
