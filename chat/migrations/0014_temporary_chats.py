import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0013_shared_links"),
        ("models_registry", "0007_find_seeded_endpoints"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("session", "temporary_until", models.DateTimeField(editable=False, null=True)),
        migrations.AddIndex(
            "session",
            models.Index(
                fields=["temporary_until"],
                name="temporary_end",
                condition=models.Q(temporary_until__isnull=False),
            ),
        ),
        migrations.CreateModel(
            name="TemporaryUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("endpoint_name", models.CharField(max_length=80)),
                ("input_tokens", models.PositiveIntegerField()),
                ("output_tokens", models.PositiveIntegerField()),
                ("cost", models.DecimalField(decimal_places=6, max_digits=12)),
                ("asked_at", models.DateTimeField()),
                (
                    "endpoint",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="models_registry.endpoint",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "usage of temporary chats",
                "verbose_name_plural": "usage of temporary chats",
                "ordering": ("-asked_at",),
                "indexes": [models.Index(fields=["-asked_at"], name="temporary_usage_newest")],
            },
        ),
    ]
