from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0015_share_workers_fairly"), ("workspaces", "0015_deleted_at")]
    operations = [
        migrations.AddField(
            model_name="document",
            name="deleted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                "workspace", name="being_deleted", condition=models.Q(deleted_at__isnull=False)
            ),
        ),
    ]
