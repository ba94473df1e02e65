"""What holds for the whole API: its description, its errors, its names, its pages."""

import json
import re
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from redis.exceptions import ConnectionError as NoBroker

from ragsite.monitoring.service_probes import probe_services
from tests import factories


@pytest.fixture
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def operations(schema):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_schema_is_made_without_a_warning_and_is_valid():
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO())


def test_every_operation_has_a_summary_a_tag_and_a_typed_reply(operations):
    assert len(operations) >= 22
    for name, operation in operations:
        assert operation.get("summary"), name
        assert operation.get("tags"), name
        replies = [reply for status, reply in operation["responses"].items() if status != "204"]
        assert all("content" in reply for reply in replies), name
        assert replies or "204" in operation["responses"], name


def test_every_operation_but_health_wants_a_session_or_a_key(operations):
    for name, operation in operations:
        ways = [way for each in operation.get("security", []) for way in each]
        wanted = (
            ["apiKey"] if " /v1/" in name else ["apiKey", "cookieAuth"]
        )  # OpenAI's clients have no session
        assert sorted(ways) == ([] if name == "GET /api/v1/health" else wanted), name


def test_every_schema_that_is_named_is_there(schema):
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(schema, default=str)))
    assert "OpenAIRequest" in named
    assert named <= set(schema["components"]["schemas"])


def test_every_field_is_camel_case(schema):
    for name, component in schema["components"]["schemas"].items():
        for field in () if name.startswith("OpenAI") else component.get("properties", {}):
            assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", field), f"{name}.{field}"


@pytest.mark.django_db
def test_the_description_and_its_page_are_for_those_who_are_in(client):
    for name in ("api-docs", "api-schema"):
        assert client.get(reverse(name)).status_code in (302, 401)
    client.force_login(factories.user())
    page = client.get(reverse("api-docs"))
    assert page.status_code == 200
    assert "<style" not in page.content.decode()
    assert not re.search(r"<script(?![^>]*src=)", page.content.decode())
    script = re.search(r'src="(/api/docs/[^"]+)"', page.content.decode()).group(1)
    assert "SwaggerUIBundle" in client.get(script).content.decode()
    assert client.get(reverse("api-schema")).status_code == 200


@pytest.mark.django_db
def test_health_says_what_is_reached_and_nothing_else(client):
    response = client.get("/api/v1/health")
    assert response.status_code == 200
    assert set(response.json()) == {
        "status", "database", "broker", "files", "problems", "schedule", "overdueVisits", "stuck", "waiting",
        "otherModels", "version",
    }  # fmt: skip
    assert response.json()["status"] == "ok"


@pytest.mark.django_db
def test_health_is_503_when_the_broker_is_away(client, monkeypatch):
    def refuse(*of):
        raise NoBroker("connection refused by unix:///secret/place")

    probe_services.forget()
    monkeypatch.setattr(cache, "set", refuse)  # the far side: a server that cannot be stopped for one test
    response = client.get("/api/v1/health")
    assert response.status_code == 503
    assert (response.json()["broker"], response.json()["database"]) == (False, True)
    assert "secret" not in response.content.decode()
    probe_services.forget()


def test_liveness_asks_nobody(client):
    """No database is allowed in this test."""
    assert client.get("/health/").json() == {"status": "ok"}


@pytest.mark.django_db
def test_a_session_may_write_only_with_its_csrf_token(client):
    client.force_login(factories.user())
    client.handler.enforce_csrf_checks = True
    response = client.post("/api/v1/sessions", {}, content_type="application/json")
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("[]", 400), ('"text"', 400), ("null", 400), ("1", 400)]
)
def test_a_body_that_is_no_object_is_refused(client, body, status):
    client.force_login(factories.user())
    response = client.post("/api/v1/sessions", body, content_type="application/json")
    assert response.status_code == status


@pytest.mark.django_db
def test_an_unknown_field_is_refused_by_its_name_with_those_there_are(client):
    client.force_login(factories.user())
    response = client.post("/api/v1/sessions", {"titel": "x"}, content_type="application/json")
    assert response.status_code == 400
    assert "title" in response.json()["titel"][0]


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 200_000], ids=["lists", "objects"])
def test_json_nested_without_end_is_refused(client, body):
    client.force_login(factories.user())
    response = client.post(reverse("api-sessions"), body, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"detail": "The JSON is nested too deeply."})


@pytest.mark.django_db
def test_a_body_that_is_too_large_says_so_in_json(client):
    client.force_login(factories.user())
    body = json.dumps({"title": "x" * 6_000_000})
    response = client.post(reverse("api-sessions"), body, content_type="application/json")
    assert response.status_code == 413
    assert "larger than 5.0" in response.json()["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["\0", "\ud800"], ids=["NUL", "surrogate"])
def test_a_models_name_that_no_database_takes_is_no_model(client, name):
    client.force_login(factories.user())
    body = json.dumps({"model": name, "texts": ["a"]})
    response = client.post(reverse("api-embeddings"), body, content_type="application/json")
    assert response.status_code == 400, response.content
