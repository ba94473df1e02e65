"""Names the users of existing audit events, in batches that each hold their locks for a moment."""

from django.db import migrations

BATCH = 20_000  # rows

FILL = """
    UPDATE accounts_auditevent AS e SET actor_name = u.username FROM accounts_user AS u
    WHERE u.id = e.user_id AND e.actor_name = '' AND e.id > %s AND e.id <= %s
"""


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), 0) - 1, coalesce(max(id), -1) FROM accounts_auditevent")
        first, last = cursor.fetchone()
        for start in range(first, last, BATCH):
            cursor.execute(FILL, [start, start + BATCH])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0003_name_actors")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
