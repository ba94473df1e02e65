from django.db import migrations

# Workspaces that are there already get what `PgVector.create` makes since: one vector per document.
_FORWARD = """
DO $do$
DECLARE
    w record;
    operators text;
BEGIN
    FOR w IN
        SELECT replace(id::text, '-', '') AS hex, dimensions, metric, is_indexed
        FROM workspaces_workspace WHERE engine = 'pgvector'
    LOOP
        EXECUTE format('CREATE TABLE chunks.%I (document_id uuid PRIMARY KEY, embedding halfvec(%s) NOT NULL)',
            'd_' || w.hex, w.dimensions);
        EXECUTE format('INSERT INTO chunks.%I SELECT document_id, avg(embedding) FROM chunks.%I WHERE live GROUP BY 1',
            'd_' || w.hex, 'w_' || w.hex);
        IF w.is_indexed AND w.dimensions <= 4000 THEN
            operators := CASE w.metric WHEN 'l2' THEN 'halfvec_l2_ops'
                WHEN 'inner_product' THEN 'halfvec_ip_ops' ELSE 'halfvec_cosine_ops' END;
            EXECUTE format('CREATE INDEX ON chunks.%I USING hnsw (embedding %s)', 'd_' || w.hex, operators);
        END IF;
    END LOOP;
END
$do$
"""
_BACKWARD = """
DO $do$
DECLARE
    w record;
BEGIN
    FOR w IN SELECT replace(id::text, '-', '') AS hex FROM workspaces_workspace WHERE engine = 'pgvector' LOOP
        EXECUTE format('DROP TABLE IF EXISTS chunks.%I', 'd_' || w.hex);
    END LOOP;
END
$do$
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0003_reindex")]
    operations = [migrations.RunSQL(_FORWARD, _BACKWARD)]
