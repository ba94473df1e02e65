from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('documents', '0005_sources'),
    ]

    operations = [
        migrations.AddField(
            model_name='document',
            name='is_language_chosen',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='reindexitem',
            name='language',
            field=models.CharField(blank=True, max_length=2),
        ),
    ]
