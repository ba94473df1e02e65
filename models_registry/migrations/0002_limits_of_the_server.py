from typing import Any

import django.core.validators
from django.db import migrations, models

_SECONDS = [django.core.validators.MinValueValidator(0.1), django.core.validators.MaxValueValidator(600)]


def follow_the_server(apps: Any, schema_editor: Any) -> None:
    """What was never changed from the former default now comes from the server, where it says."""
    endpoints = apps.get_model("models_registry", "Endpoint").objects
    endpoints.filter(context_tokens=4096).update(context_tokens=None)


def keep_a_number(apps: Any, schema_editor: Any) -> None:
    endpoints = apps.get_model("models_registry", "Endpoint").objects
    endpoints.filter(context_tokens=None).update(context_tokens=4096)


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0001_initial")]

    operations = [
        migrations.AddField(
            "endpoint",
            "whole_reply_timeout_s",
            models.FloatField(
                default=120, db_default=120, validators=_SECONDS, help_text="For a reply that comes in one piece."
            ),
        ),
        migrations.AddField(
            "endpoint", "served_context_tokens", models.PositiveIntegerField(null=True, editable=False)
        ),
        migrations.AddField(
            "endpoint", "tokenizer", models.CharField(max_length=20, blank=True, default="", db_default="", editable=False)
        ),
        migrations.AlterField(
            "endpoint",
            "context_tokens",
            models.PositiveIntegerField(
                null=True,
                blank=True,
                validators=[django.core.validators.MinValueValidator(256)],
                help_text="Prompt and answer together, in the model's own tokens. Empty: what its server says, "
                "else 4,096.",
            ),
        ),
        migrations.RunPython(follow_the_server, keep_a_number),
    ]
