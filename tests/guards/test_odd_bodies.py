"""Every address of the REST API that takes JSON refuses wrongly nested and odd values in words, never with a 500."""

import json
from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts import rest
from accounts.identity.api_key import issue
from chat.socket import actions
from core.rate import Buckets
from documents.models import Document
from tests import factories

from .world import World

pytestmark = pytest.mark.django_db

ODD = [
    "null", "[]", "[[]]", "{}", '{"a": []}', str(10**30), "1e400", "-1", "NaN", '"\\u0000"', '["\\u0000"]', '"\\ud800"',
    '["\\ud800"]', '{"\\ud800": ["\\ud800"]}', '{"department": "\\ud800"}', '{"department": [[]]}', '{"department": 1e400}',
    '""', json.dumps("x" * 30_000), "[" * 60 + "]" * 60,
]  # fmt: skip
NO_OBJECTS = [*ODD, "[" * 100_000 + "]" * 100_000, "[", "", "\ud800"]
_SCHEMA = SchemaGenerator().get_schema(request=None, public=True)
_JSON, _FORM = "application/json", "multipart/form-data"


def _operations(media_type: str) -> list[Any]:
    """Return the method, path and fields of each operation that takes such a body."""
    return [
        pytest.param(method, path, _fields(body["content"][media_type]["schema"]), id=f"{method} {path}")
        for path, methods in _SCHEMA["paths"].items()
        for method, operation in methods.items()
        if media_type in (body := operation.get("requestBody", {"content": {}}))["content"]
    ]


def _fields(schema: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        schema = _SCHEMA["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return [name for name, value in schema.get("properties", {}).items() if not value.get("readOnly")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(rest, "_calls", Buckets(per_s=1e9, burst=1e9))
    monkeypatch.setattr(actions, "_frames", Buckets(per_s=1e9, burst=1e9))
    world = World(manager=factories.operator())
    Document.objects.filter(pk=world.document.pk).update(status=Document.Status.FAILED)
    return world


@pytest.fixture
def client(world: World) -> Client:
    key = issue(world.manager, "test")[1]
    client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {key}"})
    client.force_login(world.manager)  # for the frames of the chat page
    return client


def _send(client: Client, method: str, path: str, body: str) -> Any:
    return client.generic(method, path, body.encode("utf-8", "surrogatepass"), content_type=_JSON)


def _good(world: World, fields: Iterable[str]) -> dict[str, str]:
    """Return JSON for each field that a request needs, so that the odd value is the only thing wrong."""
    said = {
        "name": "new", "label": "New", "languages": ["en"], "title": "New", "text": "Some text.", "language": "en",
        "workspaceId": str(world.workspace.pk), "query": "leave", "url": "https://example.org/a", "messageId": "m2",
        "pairs": [{"question": "Why?", "answer": "Because."}], "texts": ["one", "two"], "passages": ["one", "two"],
        "ids": [str(world.document.pk)], "isGood": True, "strategies": ["recursive"], "sizeBytes": 9,
        "configurations": [{}, {}], "model": "", "messages": [{"role": "user", "content": "Why?"}],
    }  # fmt: skip
    return {name: json.dumps(said[name]) for name in fields if name in said}


def _body(parts: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in parts.items()) + "}"


def _is_fault(reply: Any) -> bool:
    """Tell whether a reply is a status 500, or no JSON."""
    return reply.status_code == 500 or bool(reply.content and "json" not in reply["Content-Type"])


@pytest.mark.parametrize(("method", "path", "fields"), _operations(_JSON))
def test_an_odd_value_in_json_is_refused_in_words(world, client, method, path, fields):
    where, good = path.format_map(world.values()), _good(world, fields)
    bodies = [*NO_OBJECTS, *(_body(good | {name: odd}) for name in fields for odd in ODD)]
    assert not {body[:150] for body in bodies if _is_fault(_send(client, method, where, body))}


@pytest.mark.parametrize(("method", "path", "fields"), _operations(_FORM))
def test_an_odd_value_in_a_form_is_refused_in_words(world, client, method, path, fields):
    wrong = set()
    for name, odd in product(fields, ODD):
        file = {"file": SimpleUploadedFile("a.txt", b"Some text.")} if name != "file" else {}
        good = {each: json.loads(value) for each, value in _good(world, fields).items()}
        if _is_fault(client.post(path.format_map(world.values()), good | file | {name: odd})):
            wrong.add((name, odd))
    assert not wrong


@pytest.mark.parametrize("action", ["run", "regenerate", "stop", "ack"])
def test_an_odd_frame_is_refused_in_words(world, client, action):
    names = [
        "messageId", "text", "sessionId", "workspaceId", "filters", "modelNames", "modelName", "modelKwargs",
        "provider", "answerId", "seq",
    ]  # fmt: skip
    ids = {"sessionId": json.dumps(str(world.session.pk)), "answerId": json.dumps(str(world.answer.pk))}
    datas = [*ODD, *(_body(_good(world, names) | ids | {name: odd}) for name in names for odd in ODD)]
    bodies = [*NO_OBJECTS, *(_body({"action": f'"{action}"', "data": data}) for data in datas)]
    assert not {body[:250] for body in bodies if _is_fault(_send(client, "POST", "/chat/frames/", body))}


def test_the_schema_names_many_operations():
    assert len(_operations(_JSON)) > 25
    assert _operations(_FORM)
