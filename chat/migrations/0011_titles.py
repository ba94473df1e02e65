import django.utils.timezone
from django.db import migrations, models

_NAMINGS = [
    ("open", "The first question's words, which a model may replace once"),
    ("settled", "A model was asked for a title"),
    ("own", "A person's"),
]


def _naming(name):
    return models.CharField(choices=_NAMINGS, db_default=name, default="open", max_length=8)


class Migration(migrations.Migration):
    dependencies = [("chat", "0010_continued_answers")]

    operations = [
        # Sessions of earlier builds may have a person's title, which no model replaces. PostgreSQL stores a column's
        # first default once for all rows, so this rewrites no table.
        migrations.AddField("session", "naming", _naming("own")),
        migrations.AlterField("session", "naming", _naming("open")),
        migrations.AddField("summary", "is_title_due", models.BooleanField(db_default=False, default=False)),
        # Only Python knows the difference from auto_now.
        migrations.AlterField(
            "session",
            "updated_at",
            models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
    ]
