import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0012_imports"), ("workspaces", "0015_deleted_at")]

    operations = [
        migrations.CreateModel(
            name="SharingPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "is_on",
                    models.BooleanField(
                        default=True,
                        help_text="If this is off, no link opens and none can be made. The links stay, for when it is on again.",
                        verbose_name="conversations can be shared",
                    ),
                ),
                (
                    "most_days",
                    models.PositiveSmallIntegerField(
                        default=365,
                        help_text="A new link lives 30 days, or as long as this if that is less. A lower number does not shorten links that exist.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3650),
                        ],
                        verbose_name="longest life of a link, in days",
                    ),
                ),
                (
                    "allows_anybody",
                    models.BooleanField(
                        default=False,
                        help_text="If this is off, a link for anybody asks for a login.",
                        verbose_name="links for anybody, without a login",
                    ),
                ),
                (
                    "open_workspaces",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Links for anybody show answers that rest on the documents of the lowest access level in these workspaces, and answers that rest on no document. They withhold all other answers.",
                        related_name="+",
                        to="workspaces.workspace",
                        verbose_name="workspaces that anybody may read",
                    ),
                ),
            ],
            options={
                "verbose_name": "sharing of conversations",
                "verbose_name_plural": "sharing of conversations",
            },
        ),
        migrations.CreateModel(
            name="SharedLink",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "audience",
                    models.CharField(
                        choices=[
                            ("users", "People who are logged in here"),
                            ("members", "Members of its workspaces"),
                            ("anybody", "Anybody with the link"),
                        ],
                        default="users",
                        max_length=10,
                    ),
                ),
                ("names_owner", models.BooleanField(default=False)),
                ("snapshot", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("taken_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shared_links",
                        to="chat.session",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at",),
                "indexes": [models.Index(fields=["ends_at"], name="shared_link_end")],
            },
        ),
    ]
