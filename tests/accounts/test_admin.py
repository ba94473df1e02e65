import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.identity.api_key import issue
from accounts.models import ApiKey, AuditEvent, User
from tests import factories
from workspaces.models import Membership, Role

pytestmark = pytest.mark.django_db

USERS, KEYS = reverse("admin:accounts_user_changelist"), reverse("admin:accounts_apikey_changelist")


@pytest.fixture
def operator(client):
    client.force_login(factories.operator(username="op"))
    return client


def page_of(user):
    return reverse("admin:accounts_user_change", args=[user.pk])


def filled(user, **changes):
    return {
        "username": user.username,
        "is_active": "on",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    } | changes


def test_a_user_is_made_with_a_password(operator):
    secret = "correct horse battery"
    operator.post(
        reverse("admin:accounts_user_add"),
        filled(User(username="ada"), usable_password="true", password1=secret, password2=secret),
    )
    assert User.objects.get(username="ada").check_password(secret)
    assert AuditEvent.objects.filter(action="user.add", subject="ada").exists()


def test_an_operator_may_enter_and_nobody_else_does(operator, client):
    user = factories.user()
    operator.post(page_of(user), filled(user, is_superuser="on"))
    user.refresh_from_db()
    assert user.is_operator
    client.force_login(user)
    assert client.get(USERS).status_code == 200
    operator.force_login(User.objects.get(username="op"))
    operator.post(page_of(user), filled(user))
    client.force_login(user)
    assert client.get(USERS, follow=True).status_code == 403


def test_creating_workspaces_is_allowed_with_one_tick(operator):
    user = factories.user()
    permission = Permission.objects.get(codename="add_workspace")
    operator.post(page_of(user), filled(user, user_permissions=[permission.pk]))
    assert User.objects.get(pk=user.pk).has_perm("workspaces.add_workspace")


def test_roles_are_given_where_the_user_is_edited(operator):
    user, workspace = factories.user(), factories.workspace()
    role = {
        "memberships-0-workspace": workspace.pk,
        "memberships-0-role": "editor",
        "memberships-0-user": user.pk,
    }
    operator.post(page_of(user), filled(user, **role | {"memberships-TOTAL_FORMS": "1"}))
    assert Membership.objects.get(user=user).role == Role.EDITOR
    assert AuditEvent.objects.get(action="member.add").user.username == "op"


def test_a_deactivated_user_is_logged_out_at_once(operator, client):
    user = factories.user()
    client.force_login(user)
    assert client.get(reverse("workspaces")).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(reverse("workspaces")).status_code == 302


def test_the_key_is_shown_once_and_only_there(operator, client):
    user = factories.user(username="robot")
    response = operator.post(reverse("admin:accounts_apikey_add"), {"user": user.pk, "name": "import"})
    key = re.search(r"rs_[\w-]{40,}", response.content.decode()).group()
    assert "no-store" in response.headers["Cache-Control"]
    works = client.get(reverse("api-sessions"), headers={"authorization": f"Bearer {key}"})
    assert works.status_code == 200
    row = ApiKey.objects.get()
    for address in (KEYS, reverse("admin:accounts_apikey_change", args=[row.pk])):
        assert key not in operator.get(address).content.decode()
    assert AuditEvent.objects.get(action="api_key.issue").user.username == "op"


def test_keys_are_revoked_from_the_list(operator, client):
    row, key = issue(factories.user(), "import")
    operator.post(KEYS, {"action": "revoke_selected", "_selected_action": [row.pk]})
    refused = client.get(reverse("api-sessions"), headers={"authorization": f"Bearer {key}"})
    assert refused.status_code == 401


def test_nobody_writes_the_audit_events(operator):
    issue(factories.user(), "import")
    event = AuditEvent.objects.get()
    names = ("add", "change", "delete")
    arguments = ([], [event.pk], [event.pk])
    for name, args in zip(names, arguments, strict=True):
        address = reverse(f"admin:accounts_auditevent_{name}", args=args)
        assert operator.post(address, {"post": "yes"}).status_code == 403
    assert "api_key.issue" in operator.get(reverse("admin:accounts_auditevent_changelist")).content.decode()


@pytest.mark.parametrize(("who", "count"), [("operators", 1), ("members", 2), ("deactivated", 1)])
def test_the_list_filters_by_who_they_are(operator, who, count):
    factories.user(), factories.user(), factories.user(is_active=False)
    assert operator.get(USERS, {"who": who}).context["cl"].queryset.count() == count
