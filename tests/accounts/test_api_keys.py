from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.identity.api_key import issue, revoke
from accounts.models import ApiKey, AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db

HERE = reverse("api-sessions")


@pytest.fixture
def issued():
    return issue(factories.user(), "import")


def ask(client, key, scheme="Bearer"):
    return client.get(HERE, headers={"authorization": f"{scheme} {key}"})


def test_a_key_lets_its_user_in(client, issued):
    assert ask(client, issued[1]).status_code == 200


def test_the_scheme_may_be_written_in_any_case(client, issued):
    assert ask(client, issued[1], "bearer").status_code == 200


def test_only_the_hash_is_kept(issued):
    row, key = issued
    assert key.startswith("rs_")
    assert len(key) > 40
    values = ApiKey.objects.values().get(pk=row.pk).values()
    assert all(key not in str(value) for value in values)
    assert key.startswith(row.prefix)
    assert all(key not in str(event.__dict__) for event in AuditEvent.objects.all())


@pytest.mark.parametrize("key", ["rs_wrong", "", "é", "rs_" + "x" * 10_000])
def test_an_unknown_key_gets_401_with_the_scheme(client, key):
    response = ask(client, key)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "unknown" in response.json()["detail"]


def test_no_key_gets_401_with_the_scheme(client):
    response = client.get(HERE)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused(client, issued):
    revoke(issued[0])
    response = ask(client, issued[1])
    assert response.status_code == 401
    assert "revoked" in response.json()["detail"]


def test_the_key_of_a_deactivated_user_is_refused(client, issued):
    issued[0].user.is_active = False
    issued[0].user.save()
    assert ask(client, issued[1]).status_code == 401


def test_a_wrong_key_is_not_saved_by_a_session(client, issued):
    client.force_login(issued[0].user)
    assert ask(client, "rs_wrong").status_code == 401


def test_the_last_use_is_written_once_a_minute(client, issued):
    row, key = issued
    ask(client, key)
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    ask(client, key)
    row.refresh_from_db()
    assert row.last_used_at == first
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    ask(client, key)
    row.refresh_from_db()
    assert row.last_used_at > first


def test_revoking_again_changes_nothing(issued):
    revoke(issued[0])
    before = ApiKey.objects.get(pk=issued[0].pk).revoked_at
    revoke(issued[0])
    assert ApiKey.objects.get(pk=issued[0].pk).revoked_at == before
    assert AuditEvent.objects.filter(action="api_key.revoke").count() == 1


def test_the_command_prints_a_key_that_works(client):
    user, out = factories.user(username="robot"), StringIO()
    call_command("create_api_key", "robot", "--name", "nightly import", stdout=out)
    assert ask(client, out.getvalue().strip()).status_code == 200
    assert user.api_keys.get().name == "nightly import"


@pytest.mark.parametrize("who", ["nobody", "gone"])
def test_the_command_refuses_who_is_not_there(who):
    factories.user(username="gone", is_active=False)
    with pytest.raises(CommandError, match=f"no active user named {who}"):
        call_command("create_api_key", who, "--name", "x")
