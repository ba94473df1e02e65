import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("chat", "0016_index_texts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            "Folder",
            [
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=60)),
                ("position", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="folders",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "constraints": [models.UniqueConstraint("user", Lower("name"), name="one_folder_per_name")],
            },
        ),
        migrations.CreateModel(
            "Tag",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40)),
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
                "ordering": (Lower("name"),),
                "constraints": [models.UniqueConstraint("user", Lower("name"), name="one_tag_per_name")],
            },
        ),
        migrations.AddField(
            "session", "is_archived", models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddField(
            "session",
            "folder",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="sessions",
                to="chat.folder",
            ),
        ),
        migrations.AddField(
            "session", "tags", models.ManyToManyField(related_name="sessions", to="chat.tag")
        ),
    ]
