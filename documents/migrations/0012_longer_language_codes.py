from django.db import migrations, models


class Migration(migrations.Migration):
    """Codes of ISO 639-2 have three letters, and `auto` has four."""

    dependencies = [("documents", "0011_reading_report")]
    operations = [
        migrations.AlterField(
            model_name="document", name="language", field=models.CharField(max_length=8)
        ),
        migrations.AlterField(
            model_name="reindexitem", name="language", field=models.CharField(blank=True, max_length=8)
        ),
        migrations.AlterField(
            model_name="upload", name="language", field=models.CharField(max_length=8)
        ),
    ]
