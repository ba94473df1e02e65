import time

import pytest

from models_registry.models import Endpoint
from models_registry.probe import probe, probe_each
from models_registry.tasks import check_all
from tests import factories
from tests.fakes import model_container, openai_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def server():
    with openai_server.running_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def container():
    with model_container.running_in_thread() as url:
        yield url


def checked(endpoint):
    probe(endpoint)
    endpoint.refresh_from_db()
    return endpoint


def test_a_chat_model_that_answers_is_well(server):
    endpoint = checked(factories.chat_endpoint(base_url=server.base_url, last_check_ok=None))
    assert (endpoint.last_check_ok, endpoint.last_error) == (True, "")
    assert endpoint.last_check_at is not None
    assert endpoint.last_check_ms is not None
    assert server.chats[0].body["max_tokens"] == 8


def test_quotes_is_well_without_any_server():
    assert checked(factories.chat_endpoint(last_check_ok=None)).last_check_ok


def test_a_check_finds_the_dimensions_of_an_embedder(server):
    server.behaviour.dimensions = 12
    endpoint = checked(factories.embedder(base_url=server.base_url, dimensions=None))
    assert (endpoint.last_check_ok, endpoint.dimensions) == (True, 12)


def test_other_dimensions_than_recorded_are_an_error_that_says_so(server):
    server.behaviour.dimensions = 12
    endpoint = checked(factories.embedder(base_url=server.base_url, dimensions=384))
    assert not endpoint.last_check_ok
    assert "12 dimensions, but 384 were recorded" in endpoint.last_error
    assert endpoint.dimensions == 384


def test_a_cross_encoder_is_asked_for_one_score(container):
    endpoint = factories.chat_endpoint(
        kind=Endpoint.Kind.RERANKER,
        provider="container",
        options={"url": container},
        last_check_ok=None,
    )
    assert checked(endpoint).last_check_ok


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ({"status": 401}, "key"),
        ({"status": 500}, ""),
        ({"body": "<html>hello"}, ""),
        ({"text": ""}, "sent an empty answer"),
    ],
)
def test_what_is_wrong_is_kept_in_words(server, trouble, says):
    for name, value in trouble.items():
        setattr(server.behaviour, name, value)
    endpoint = checked(factories.chat_endpoint(base_url=server.base_url))
    assert endpoint.last_check_ok is False
    assert says in endpoint.last_error
    assert endpoint.last_error.endswith(".")


def test_a_reasoning_model_that_thinks_beyond_eight_tokens_is_well(server):
    server.behaviour.text, server.behaviour.finish_reason = "", "length"
    assert checked(factories.chat_endpoint(base_url=server.base_url)).last_check_ok


def test_nothing_at_the_address_is_an_error_that_names_it():
    endpoint = checked(factories.embedder())
    assert "127.0.0.1:9" in endpoint.last_error


def test_a_secret_that_is_not_there_is_an_error_that_names_its_place(server):
    endpoint = factories.chat_endpoint(base_url=server.base_url, secret_ref="env:RAGSITE_NO_SUCH_KEY")
    assert "env:RAGSITE_NO_SUCH_KEY" in checked(endpoint).last_error
    assert not server.requests


def test_a_slow_one_delays_no_other(server):
    server.behaviour.first_token_s = 0.4
    endpoints = [factories.chat_endpoint(base_url=server.base_url) for _ in range(5)]
    started = time.perf_counter()
    probe_each(endpoints)
    assert time.perf_counter() - started < 5 * 0.4
    assert all(endpoint.last_check_ok for endpoint in endpoints)


def test_the_task_checks_what_is_enabled_and_leaves_the_rest(server):
    on = factories.chat_endpoint(base_url=server.base_url, last_check_ok=None)
    off = factories.chat_endpoint(base_url=server.base_url, last_check_ok=None, is_enabled=False)
    check_all()
    on.refresh_from_db()
    off.refresh_from_db()
    assert (on.last_check_ok, off.last_check_ok) == (True, None)


def test_an_endpoint_deleted_during_its_check_stays_deleted():
    endpoint = factories.chat_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).delete()
    probe(endpoint)
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("operators", "limit"), [(None, 8192), (2048, 2048), (100_000, 8192)], ids=lambda value: str(value)
)
def test_a_check_learns_the_context_which_the_operator_may_only_lower(operators, limit):
    with openai_server.running_in_thread(flavour="llama.cpp", context_tokens=8192) as server:
        endpoint = checked(factories.chat_endpoint(base_url=server.base_url, context_tokens=operators))
    assert (endpoint.served_context_tokens, endpoint.tokenizer) == (8192, "llama.cpp")
    assert endpoint.context_limit == limit
    assert endpoint.spec().tokenizer == "llama.cpp"


def test_a_server_that_says_nothing_of_itself_is_well_all_the_same(server):
    endpoint = checked(factories.chat_endpoint(base_url=server.base_url, context_tokens=None))
    assert endpoint.last_check_ok
    assert (endpoint.served_context_tokens, endpoint.context_limit) == (None, 4096)


def test_what_was_learnt_outlives_a_check_that_fails(server):
    endpoint = factories.chat_endpoint(served_context_tokens=8192, tokenizer="vllm", base_url=server.base_url)
    server.behaviour.status = 500
    assert checked(endpoint).served_context_tokens == 8192
    assert not endpoint.last_check_ok


def test_a_check_names_the_option_that_helps_with_a_server_without_system_role(server):
    server.behaviour.takes_roles = ["user", "assistant"]
    endpoint = factories.chat_endpoint(base_url=server.base_url)
    checked(endpoint)
    assert not endpoint.last_check_ok
    assert "System role not supported" in endpoint.last_error
    assert "It answers with the option “Send instructions as”: user" in endpoint.last_error
    endpoint.options["system_role"] = "user"
    endpoint.save()
    assert checked(endpoint).last_check_ok


def test_a_check_that_no_option_helps_says_only_what_the_server_says(server):
    server.behaviour = openai_server.Behaviour(status=400, error="No.")
    endpoint = checked(factories.chat_endpoint(base_url=server.base_url))
    assert endpoint.last_error.endswith("It said: No.")
