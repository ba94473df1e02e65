"""Adds the index of chat.finding, empty: a worker fills it in batches, so this takes seconds on a large database."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _owner(model: str, *, is_null: bool = False) -> models.Field:
    return models.ForeignKey(
        null=is_null, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=model
    )


class Migration(migrations.Migration):
    dependencies = [("chat", "0015_saved_prompts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AddField(
            "answer", "is_indexed", models.BooleanField(db_default=False, default=False, editable=False)
        ),
        migrations.AddField(
            "turn", "is_indexed", models.BooleanField(db_default=False, default=False, editable=False)
        ),
        migrations.AddField(
            "session",
            "indexed_title",
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=120),
        ),
        migrations.AddIndex(
            "answer",
            models.Index(
                fields=["turn"],
                name="answer_to_index",
                condition=models.Q(is_indexed=False, ended_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "turn",
            models.Index(fields=["session"], name="turn_to_index", condition=models.Q(is_indexed=False)),
        ),
        migrations.AddIndex(
            "session",
            models.Index(
                fields=["user"], name="title_to_index", condition=~models.Q(title=models.F("indexed_title"))
            ),
        ),
        migrations.CreateModel(
            "IndexedText",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("words", django.contrib.postgres.search.SearchVectorField()),
                ("language", models.CharField(max_length=8)),
                ("analyzer", models.PositiveSmallIntegerField()),
                ("user", _owner(settings.AUTH_USER_MODEL)),
                ("session", _owner("chat.session")),
                ("turn", _owner("chat.turn", is_null=True)),
                ("answer", _owner("chat.answer", is_null=True)),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["words"], name="indexed_words", fastupdate=False
                    ),
                    models.Index(fields=["user", "language"], name="indexed_languages"),
                    models.Index(fields=["analyzer"], name="indexed_analyzer"),
                ]
            },
        ),
    ]
