from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0012_floors_by_language")]
    operations = [
        migrations.AddField(
            model_name="workspace",
            name="deleted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
