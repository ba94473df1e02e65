"""Users change their own password."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db

ADDRESS = reverse("change-password")
OLD, NEW = "correct horse battery", "staple pumps and oil"


@pytest.fixture
def user():
    return factories.user(username="ada", password=OLD)


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


def test_the_menu_leads_to_it_unless_the_user_has_no_password(client, user):
    client.force_login(user)
    assert ADDRESS in client.get("/").content.decode()
    client.force_login(factories.user())
    assert ADDRESS not in client.get("/").content.decode()
