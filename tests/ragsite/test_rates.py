"""One user's flood of calls or frames slows down only that user."""

import time

import pytest

from accounts import rest
from accounts.identity.api_key import issue
from core.rate import Buckets
from tests import factories
from tests.api.conftest import Api


def test_a_bucket_spends_its_burst_and_fills_again():
    buckets = Buckets(per_s=50, burst=3)
    assert [buckets.spend("a") for _ in range(3)] == [0, 0, 0]
    assert 0 < buckets.spend("a") <= 0.02
    assert buckets.spend("b") == 0
    time.sleep(0.03)
    assert buckets.spend("a") == 0


@pytest.mark.django_db
def test_too_many_calls_of_one_user_get_429(monkeypatch):
    monkeypatch.setattr(rest, "_calls", Buckets(per_s=0.1, burst=2))
    user, other = Api(factories.user()), Api(factories.user())
    assert [user("GET", "workspaces").status_code for _ in range(3)] == [200, 200, 429]
    assert int(user("GET", "llms")["Retry-After"]) >= 1
    assert other("GET", "workspaces").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_too_many_calls_of_an_openai_client_get_429(monkeypatch, client):
    monkeypatch.setattr(rest, "_calls", Buckets(per_s=0.1, burst=1))
    headers = {"authorization": f"Bearer {issue(factories.user(), 'test')[1]}"}
    assert client.get("/v1/models", headers=headers).status_code == 200
    refused = client.get("/v1/models", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(refused["Retry-After"]) >= 1
