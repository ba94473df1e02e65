from django.db import migrations

# A chunk is filtered by its document's metadata, and its language is known where it is cut: nothing read these.
_EACH_TABLE = r"""
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'chunks' AND tablename LIKE 'w\_%'
        LOOP EXECUTE format('ALTER TABLE chunks.%I {change}', name); END LOOP;
    END $$
"""
_DROP = "DROP COLUMN IF EXISTS language, DROP COLUMN IF EXISTS metadata"
_ADD = "ADD COLUMN language text NOT NULL DEFAULT ''en'', ADD COLUMN metadata jsonb NOT NULL DEFAULT ''{}''"


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0010_fields")]
    operations = [
        migrations.RunSQL(_EACH_TABLE.replace("{change}", _DROP), _EACH_TABLE.replace("{change}", _ADD)),
        migrations.RemoveField("workspace", "status"),
    ]
