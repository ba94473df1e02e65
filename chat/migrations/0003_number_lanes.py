from django.db import migrations

_NUMBER = """
    UPDATE chat_answer SET lane = counted.lane
    FROM (
        SELECT id, row_number() OVER (PARTITION BY turn_id ORDER BY created_at, id) - 1 AS lane FROM chat_answer
    ) AS counted
    WHERE chat_answer.id = counted.id AND counted.lane > 0
"""


class Migration(migrations.Migration):
    """Answers recorded before there were lanes stood side by side too."""

    dependencies = [("chat", "0002_lanes_and_ratings")]

    operations = [migrations.RunSQL(_NUMBER, migrations.RunSQL.noop)]
