from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_deletions")]
    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["action", "-at"], name="events_of_action"),
        ),
    ]
