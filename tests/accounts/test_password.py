"""Users change their own password."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts import password_hashing, rate_limit
from accounts.models import AuditEvent
from core.waiting import Gate
from tests import factories

pytestmark = pytest.mark.django_db

ADDRESS = reverse("change-password")
OLD, NEW = "correct horse battery", "staple pumps and oil"


@pytest.fixture
def user():
    cache.clear()
    yield factories.user(username="ada", password=OLD)
    cache.clear()


def change(client, old=OLD, new=NEW, again=NEW):
    return client.post(ADDRESS, {"old_password": old, "new_password1": new, "new_password2": again})


def test_a_new_password_counts_at_once_and_ends_other_logins(client, user):
    elsewhere = Client()
    for each in (client, elsewhere):
        assert each.login(username="ada", password=OLD)
    assert change(client).url == reverse("workspaces")
    assert client.get(ADDRESS).status_code == 200
    assert elsewhere.get(ADDRESS).status_code == 302
    assert Client().login(username="ada", password=NEW)
    assert not Client().login(username="ada", password=OLD)
    assert AuditEvent.objects.filter(user=user, action="user.password").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"old": "wrong"}, "This is not your current password."),
        ({"again": "another"}, "didn\u2019t match"),
        ({"new": "123", "again": "123"}, "too short"),
    ],
)
def test_a_refused_password_says_why_and_the_old_one_stays(client, user, changes, sentence):
    client.force_login(user)
    assert sentence in change(client, **changes).content.decode()
    assert Client().login(username="ada", password=OLD)


def test_the_account_leads_to_it_unless_the_user_has_no_password(client, user):
    client.force_login(user)
    assert ADDRESS in client.get(reverse("account")).content.decode()
    client.force_login(factories.user())
    assert ADDRESS not in client.get(reverse("account")).content.decode()


def test_a_stolen_session_cannot_guess_the_password_without_limit(client, user):
    client.force_login(user)
    for number in range(rate_limit.FREE_ATTEMPTS):
        client.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert change(client, old="wrong").status_code == 200
    refused = change(client)
    assert (refused.status_code, refused["Retry-After"]) == (429, "15")
    assert "Too many wrong passwords. Wait 15 seconds" in refused.content.decode()
    assert Client().login(username="ada", password=OLD)
    assert AuditEvent.objects.filter(action="login.throttled", subject="ada").count() == 1
    cache.delete_many([f"{key}:until" for key, _ in rate_limit.LOGGED_IN.keys("ada")])  # the wait is over
    assert change(client).status_code == 302


def test_the_admin_has_no_door_of_its_own_for_it(client):
    client.force_login(factories.operator(password=OLD))
    reply = client.post(reverse("admin:password_change"), {"old_password": "wrong"})
    assert reply.url == ADDRESS


@pytest.fixture
def busy(settings, user, monkeypatch):
    """Every password hash finds the queue full."""
    settings.PASSWORD_HASHERS = ["accounts.password_hashing.BoundedArgon2"]
    user.set_password(OLD)
    user.save()
    return lambda: monkeypatch.setattr(password_hashing, "_gate", Gate(0, 0, 0))


@pytest.mark.parametrize("username", ["ada", "stranger"])
def test_a_login_that_is_answered_busy_is_no_attempt(client, busy, username):
    busy()
    for _ in range(2 * rate_limit.FREE_ATTEMPTS):
        assert client.post("/login/", {"username": username, "password": OLD}).status_code == 503
    source = rate_limit.Source("127.0.0.1")
    assert [cache.get(key) for key, _ in source.keys(username)] == [0, 0]
    assert rate_limit.seconds_to_wait(username, source) == 0


def test_a_form_without_a_name_is_no_attempt_and_locks_out_no_address(client, user):
    for _ in range(2 * rate_limit.FREE_ATTEMPTS):
        assert client.post("/login/", {"username": "", "password": "wrong"}).status_code == 200
    assert client.post("/login/", {"username": "ada", "password": OLD}).status_code == 302


def test_an_attempt_counts_once_for_its_name_and_once_for_its_address(user):
    source = rate_limit.Source("192.0.2.1")
    rate_limit.note_attempt("", source)
    assert [cache.get(key) for key, _ in source.keys("")] == [1, 1]


def test_hashes_at_once_follow_the_cores_within_bounds():
    found = {cores: password_hashing.hashes_at_once(cores) for cores in (1, 2, 4, 8, 16, 32, 256)}
    assert found == {1: 1, 2: 1, 4: 1, 8: 2, 16: 4, 32: 8, 256: 8}
