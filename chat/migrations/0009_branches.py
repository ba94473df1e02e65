import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

# Each turn follows the one before it, and the last one is the end of the path.
_FILL = """
    UPDATE chat_turn AS turn SET parent_id = found.before, shown_at = turn.created_at
    FROM (
        SELECT id, lag(id) OVER (PARTITION BY session_id ORDER BY created_at, id) AS before FROM chat_turn
    ) AS found
    WHERE found.id = turn.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0008_answer_newest"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "turn",
            "parent",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="chat.turn",
            ),
        ),
        migrations.AddField(
            "turn",
            "shown_at",
            models.DateTimeField(default=django.utils.timezone.now, db_default=Now()),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            "turn", models.Index(fields=["session", "-shown_at"], name="chat_turn_session_shown")
        ),
    ]
