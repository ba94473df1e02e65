from django.db import migrations


def _rename_provider(apps, schema_editor):
    """The model container that comes with Ragsite is called by what it is, not by the contract it keeps."""
    endpoints = apps.get_model("models_registry", "Endpoint").objects
    endpoints.filter(provider="sagemaker_contract").update(provider="container")


def _rename_back(apps, schema_editor):
    endpoints = apps.get_model("models_registry", "Endpoint").objects
    endpoints.filter(provider="container").update(provider="sagemaker_contract")


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0002_limits_of_the_server")]
    operations = [migrations.RunPython(_rename_provider, _rename_back)]
