from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0014_order_by_folded_name")]
    operations = [
        migrations.AddField(
            model_name="workspace",
            name="deleted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
