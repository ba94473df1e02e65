"""The endpoints of the installation's own models. They follow its settings; changes by an operator are kept.

A copied or restored installation has other ports than the original, whose servers may run on the same machine: it
must not use them.
"""

from typing import Any

from django.conf import settings

from models_registry.models import Endpoint

from . import model_choice
from .model_choice import CONTEXT_TOKENS, Local, Remote

EMBEDDER = "all-MiniLM-L6-v2"
_QUOTES = "The best sentences of your documents, cited. No model, so nothing is invented."


def keep_endpoints() -> None:
    """Create the endpoints of the bundled models and of the language model chosen for this start, or update them."""
    _keep("embedder", **_embedder())
    _keep("quotes", name="Quotes", kind=Endpoint.Kind.CHAT, provider="quotes", rank=20, note=_QUOTES,
          last_check_ok=True)  # fmt: skip
    ours = {settings.PORT, settings.SERVING_PORT, settings.LLM_PORT}
    match model_choice.from_environment(settings.DATA_DIR, ours):
        case Remote() as remote:
            _keep(f"remote {remote.name}", **_remote(remote))
        case Local() as local:
            _keep("local", **_local(local))


def _embedder() -> dict[str, Any]:
    return {
        "name": EMBEDDER,
        "kind": Endpoint.Kind.EMBEDDING,
        "provider": "container",
        "options": {"url": settings.SERVING_URL or f"http://127.0.0.1:{settings.SERVING_PORT}"},
        "dimensions": 384,
        "licence": "Apache-2.0",
        "size_bytes": 90_868_376,
        "note": "English.",
    }


def _remote(model: Remote) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": Endpoint.Kind.CHAT,
        "provider": "openai_compat",
        "model": model.model,
        "options": {"base_url": model.base_url},
        "secret_ref": model.secret_ref,
        "rank": model.rank,
        "note": model.note,
    }


def _local(model: Local) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": Endpoint.Kind.CHAT,
        "provider": "openai_compat",
        "model": model.name,
        "options": {"base_url": f"http://127.0.0.1:{settings.LLM_PORT}/v1"},
        "rank": model.rank,
        "note": model.note,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "context_tokens": CONTEXT_TOKENS,
    }


def _keep(key: str, **fields: Any) -> None:
    """Create the row of one of our models, or have it follow: a three-way merge with what we wrote last.

    A row of the same name that an operator made stays as it is.
    """
    row = Endpoint.objects.filter(seeded__key=key).first()
    same_name = Endpoint.objects.filter(name=fields["name"])
    if row is None:
        if not same_name.exists():
            Endpoint.objects.create(**fields, seeded=_written(key, fields))
        return
    if same_name.exclude(pk=row.pk).exists():
        fields["name"] = row.name
    for name, value in fields.items():
        if name == "options":
            _follow(row.options, row.seeded.get("options", {}), value)
        elif name in row.seeded and getattr(row, name) == row.seeded[name]:
            setattr(row, name, value)
    row.seeded = _written(key, fields)
    row.save(update_fields=[*(name for name in fields if name != "last_check_ok"), "seeded"])


def _written(key: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what to remember of the fields. The result of a check is no setting."""
    return {"key": key} | {name: value for name, value in fields.items() if name != "last_check_ok"}


def _follow(options: dict[str, Any], before: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in now.items():
        if options.get(name) == before.get(name):
            options[name] = value
