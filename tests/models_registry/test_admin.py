from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent
from inference.providers import PROVIDERS
from models_registry.forms import PREFIX
from models_registry.models import Endpoint
from tests import factories
from tests.fakes import openai_server

pytestmark = pytest.mark.django_db

LIST = reverse("admin:models_registry_endpoint_changelist")
ADD = reverse("admin:models_registry_endpoint_add")
OFFERED = [(key, kind) for key, provider in PROVIDERS.items() for kind in provider.kinds]


@pytest.fixture
def operator(client):
    client.force_login(factories.operator())
    return client


@pytest.fixture
def server():
    with openai_server.running_in_thread() as running:
        yield running


def page_of(endpoint):
    return reverse("admin:models_registry_endpoint_change", args=[endpoint.pk])


def filled(**changes):
    return {
        "name": "Large",
        "rank": "50",
        "model": "large-1",
        "is_enabled": "on",
        "context_tokens": "4096",
        "connect_timeout_s": "5",
        "first_token_timeout_s": "120",
        "between_tokens_timeout_s": "30",
        "whole_reply_timeout_s": "120",
        "input_price": "0",
        "output_price": "0",
        f"{PREFIX}base_url": "http://127.0.0.1:9/v1",
        f"{PREFIX}limit_field": "max_tokens",
        f"{PREFIX}batch_size": "16",  # of embedders
    } | changes


def add(operator, kind="chat", **changes):
    return operator.post(f"{ADD}?kind={kind}&provider=openai_compat", filled(**changes), follow=True)


def errors_of(response):
    return response.context["adminform"].form.errors


def said(response):
    return " ".join(str(message) for message in response.context["messages"])


def test_adding_begins_with_a_choice_of_every_provider_for_every_kind_it_offers(operator):
    page = unescape(operator.get(ADD).content.decode())
    for provider, kind in OFFERED:
        assert f"?kind={kind}&provider={provider}" in page
        assert PROVIDERS[provider].description in page


@pytest.mark.parametrize(("provider", "kind"), OFFERED)
def test_the_form_shows_the_options_of_its_kind_with_title_and_description(operator, provider, kind):
    form = operator.get(ADD, {"provider": provider, "kind": kind}).context["adminform"].form
    for name, info in PROVIDERS[provider].options.model_fields.items():
        if kind in (info.json_schema_extra or {}).get("kinds", [kind]):
            field = form.fields[PREFIX + name]
            assert (field.label, field.help_text) == (info.title, info.description)
        else:
            assert PREFIX + name not in form.fields
    assert ("secret_ref" in form.fields) == PROVIDERS[provider].takes_secret
    assert ("model" in form.fields) == PROVIDERS[provider].needs_model


@pytest.mark.parametrize(
    "query", ["provider=quotes&kind=embedding", "provider=nobody&kind=chat", "kind=chat"]
)
def test_a_choice_that_does_not_exist_leads_back_to_choosing(operator, query):
    response = operator.get(f"{ADD}?{query}")
    assert "admin/models_registry/endpoint/choose.html" in [template.name for template in response.templates]


@pytest.mark.django_db(transaction=True)
def test_saving_makes_a_real_call_and_shows_how_it_went(operator, server):
    response = add(operator, "embedding", **{f"{PREFIX}base_url": server.base_url})
    endpoint = Endpoint.objects.get()
    assert endpoint.dimensions == 384
    assert endpoint.options["batch_size"] == 16
    assert endpoint.kind == "embedding"
    assert "Large answered in" in said(response)
    assert "384 dimensions" in said(response)
    assert AuditEvent.objects.filter(action="endpoint.add", subject="Large").exists()


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_is_down_is_saved_with_a_warning(operator):
    response = add(operator)
    assert Endpoint.objects.get().last_check_ok is False
    assert "Large is not healthy: Nothing answers at 127.0.0.1:9" in said(response)


@pytest.mark.parametrize(
    ("kind", "field", "value", "says"),
    [
        ("chat", "model", "", "required"),
        ("chat", f"{PREFIX}base_url", "ftp://models", "https://models.example.com/v1"),
        ("chat", f"{PREFIX}base_url", "https://me:secret@models", "secret reference"),
        ("embedding", f"{PREFIX}batch_size", "0", "1"),
        ("embedding", f"{PREFIX}batch_size", "many", "whole number"),
        ("chat", f"{PREFIX}limit_field", "words", "not one of the available choices"),
        ("chat", "secret_ref", "sk-1234567890", "env:NAME"),
        ("chat", "connect_timeout_s", "-1", "0.1"),
        ("chat", "connect_timeout_s", "nan", "number"),
        ("chat", "input_price", "-1", "0"),
        ("chat", "name", "", "required"),
    ],
)
def test_a_mistake_is_told_beside_its_field(operator, kind, field, value, says):
    errors = errors_of(add(operator, kind, **{field: value}))
    assert set(errors) == {field}
    assert says in errors[field][0]
    assert not Endpoint.objects.exists()


def test_options_keep_what_they_were_when_shown_again(operator):
    endpoint = factories.chat_endpoint(base_url="http://127.0.0.1:9/v1")
    form = operator.get(page_of(endpoint)).context["adminform"].form
    assert form[f"{PREFIX}base_url"].value() == "http://127.0.0.1:9/v1"


def test_the_secret_is_asked_for_as_a_reference_and_says_where_to_put_the_key(operator):
    page = operator.get(ADD, {"provider": "openai_compat", "kind": "chat"}).content.decode()
    assert "env:OPENAI_API_KEY" in page
    assert "never the key itself" in page


def test_another_model_forgets_the_dimensions_of_the_old_one(
    operator, server, django_capture_on_commit_callbacks
):
    endpoint = factories.embedder(base_url=server.base_url, dimensions=3)
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(page_of(endpoint), filled(model="other", **{f"{PREFIX}base_url": server.base_url}))
    endpoint.refresh_from_db()
    assert (endpoint.model, endpoint.dimensions, endpoint.last_check_ok) == ("other", 384, True)


# --- in use ---------------------------------------------------------------------------------------


def test_an_embedder_in_use_says_by_whom_and_offers_no_field_that_would_break_it(operator):
    workspace = factories.workspace(name="Handbook")
    response = operator.get(page_of(workspace.embedder))
    form = response.context["adminform"].form
    assert not {"model", "dimensions", "provider", "options"} & set(form.fields)
    page = response.content.decode()
    assert "In use by Handbook" in page
    assert reverse("admin:workspaces_workspace_change", args=[workspace.pk]) in page


def test_posting_other_values_to_an_embedder_in_use_changes_only_what_may_change(operator):
    embedder = factories.workspace().embedder
    moved = {f"{PREFIX}base_url": "http://127.0.0.1:9/elsewhere"}
    operator.post(
        page_of(embedder), filled(name="Renamed", model="other", dimensions="5", provider="quotes", **moved)
    )
    after = Endpoint.objects.get(pk=embedder.pk)
    assert after.name == "Renamed"
    for name in ("model", "dimensions", "provider"):
        assert getattr(after, name) == getattr(embedder, name)
    assert after.options["base_url"] == "http://127.0.0.1:9/elsewhere"


@pytest.mark.parametrize("change", [{"model": "other"}, {"dimensions": 5}, {"kind": "chat"}])
def test_an_embedder_in_use_refuses_the_change_whoever_asks(change):
    embedder = factories.workspace().embedder
    for name, value in change.items():
        setattr(embedder, name, value)
    with pytest.raises(Exception, match="In use by"):
        embedder.full_clean()


def test_an_embedder_in_use_cannot_be_deleted(operator):
    embedder = factories.workspace().embedder
    delete = reverse("admin:models_registry_endpoint_delete", args=[embedder.pk])
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    operator.post(LIST, {"action": "delete_selected", "_selected_action": [embedder.pk], "post": "yes"})
    assert Endpoint.objects.filter(pk=embedder.pk).exists()


def test_an_endpoint_nobody_uses_can_be_deleted(operator):
    endpoint = factories.chat_endpoint()
    operator.post(reverse("admin:models_registry_endpoint_delete", args=[endpoint.pk]), {"post": "yes"})
    assert not Endpoint.objects.exists()


# --- Check and the list ---------------------------------------------------------------------------


def test_the_check_button_reports_on_the_same_page(operator, server):
    endpoint = factories.chat_endpoint(base_url=server.base_url, last_check_ok=None)
    check = reverse("admin:models_registry_endpoint_check", args=[endpoint.pk])
    assert check in operator.get(page_of(endpoint)).content.decode()
    response = operator.post(check, follow=True)
    assert response.redirect_chain[-1][0] == page_of(endpoint)
    assert f"{endpoint.name} answered in" in said(response)
    assert operator.get(check).status_code == 405


def test_the_check_action_reports_on_each(operator, server):
    up, down = factories.chat_endpoint(base_url=server.base_url), factories.embedder()
    response = operator.post(
        LIST, {"action": "check_selected", "_selected_action": [up.pk, down.pk]}, follow=True
    )
    assert f"{up.name} answered in" in said(response)
    assert f"{down.name} is not healthy" in said(response)


def test_the_list_answers_the_operators_questions(operator):
    workspace = factories.workspace(name="Handbook")
    Endpoint.objects.filter(pk=workspace.embedder.pk).update(
        last_check_ms=12, licence="Apache-2.0", size_bytes=90_000_000, input_price="0.02"
    )
    page = operator.get(LIST).content.decode()
    for shown in (
        "Handbook",
        "12 ms",
        "Apache-2.0",
        "85.8\xa0MB",
        "$0.02 / $0",
        "OpenAI-compatible server",
        "Healthy",
    ):
        assert shown in page


@pytest.mark.parametrize(
    ("health", "fields"),
    [
        ("well", {"last_check_ok": True, "last_check_ms": 10}),
        ("slow", {"last_check_ok": True, "last_check_ms": 9000}),
        ("failing", {"last_check_ok": False}),
        ("unchecked", {"last_check_ok": None}),
        ("off", {"is_enabled": False}),
    ],
)
def test_the_list_filters_by_health(operator, health, fields):
    states: dict[str, dict[str, Any]] = {
        "well": {"last_check_ms": 1},
        "failing": {"last_check_ok": False},
        "off": {"is_enabled": False},
    }
    wanted = factories.chat_endpoint(name="wanted", **fields)
    for other, its in states.items():
        if other != health:
            factories.chat_endpoint(name=f"other {other}", **its)
    found = operator.get(LIST, {"health": health}).context["cl"].queryset
    assert list(found) == [wanted]


def test_the_list_asks_as_many_queries_for_ten_as_for_one(operator, django_assert_num_queries):
    factories.workspace()
    with CaptureQueriesContext(connection) as for_one:
        operator.get(LIST)
    for _ in range(9):
        factories.workspace()
    with django_assert_num_queries(len(for_one)):
        operator.get(LIST)


def test_what_the_server_says_of_its_context_is_shown_and_forgotten_with_its_address(operator):
    with openai_server.running_in_thread(flavour="vllm", context_tokens=8192) as server:
        endpoint = factories.chat_endpoint(base_url=server.base_url, context_tokens=None)
        assert "takes 8,192 tokens" in said(operator.post(f"{page_of(endpoint)[:-7]}check/", follow=True))
    page = operator.get(page_of(endpoint)).content.decode()
    assert "8,192 tokens, counted by vllm" in page
    operator.post(page_of(endpoint), filled(name="Other", context_tokens=""))
    endpoint.refresh_from_db()
    assert (endpoint.served_context_tokens, endpoint.tokenizer, endpoint.context_limit) == (None, "", 4096)
