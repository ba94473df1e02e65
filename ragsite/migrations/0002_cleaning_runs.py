from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ragsite", "0001_signs_of_life")]
    operations = [
        migrations.CreateModel(
            name="CleaningRun",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("ran_at", models.DateTimeField()),
                ("took_ms", models.PositiveIntegerField(default=0)),
                ("removed", models.PositiveBigIntegerField(default=0)),
                ("removed_in_all", models.PositiveBigIntegerField(default=0)),
                ("is_complete", models.BooleanField(default=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={"verbose_name": "cleaning", "ordering": ("name",)},
        ),
    ]
