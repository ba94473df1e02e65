from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0007_delete_in_parts")]
    operations = [
        migrations.AddIndex(
            model_name="answer",
            index=models.Index(fields=["-created_at"], name="answer_newest"),
        ),
    ]
