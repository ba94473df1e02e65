import re

from django.conf import settings
from django.db import migrations

_OURS = re.compile(r"http://127\.0\.0\.1:\d+(/v1)?")
_FACTS = ("name", "model", "rank", "note", "licence", "size_bytes", "context_tokens")


def find(apps, schema_editor):
    """Mark the rows that earlier versions made, unless an operator has changed them since."""
    Endpoint = apps.get_model("models_registry", "Endpoint")
    changed = apps.get_model("accounts", "AuditEvent").objects.filter(action="endpoint.change")
    by_hand = set(changed.values_list("detail__id", flat=True))
    for row in Endpoint.objects.all():
        key = "" if str(row.pk) in by_hand else _key(row)
        if key:
            row.seeded = {"key": key, "options": row.options, **{name: getattr(row, name) for name in _FACTS}}
            row.save(update_fields=["seeded"])


def _key(row):
    if row.provider == "quotes" and row.name == "Quotes":
        return "quotes"
    if row.provider == "container" and row.name == "all-MiniLM-L6-v2":
        url = row.options.get("url", "")
        return "embedder" if _OURS.fullmatch(url) or url == settings.SERVING_URL else ""
    if row.provider == "openai_compat" and row.kind == "chat" and row.size_bytes and not row.secret_ref:
        return "local" if _OURS.fullmatch(row.options.get("base_url", "")) else ""
    return ""


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0006_seeded_endpoints"),
        ("accounts", "0001_initial"),
    ]

    operations = [migrations.RunPython(find, migrations.RunPython.noop)]
