"""A site keeps an operator who can log in, whatever people do to accounts."""

import io
import threading

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.errors import LastOperator
from accounts.models import AuditEvent, User
from accounts.operators import is_last_operator, keeping_an_operator
from accounts.removal import anonymise_user, deactivate_user, delete_user
from core.db.advisory_locks import BACKUP, DUMP, MIGRATE, PREPARE, hold
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery"
REFUSAL = "the last operator who can log in"


@pytest.fixture
def last():
    return factories.operator(username="last", password=SECRET)


@pytest.fixture
def admin(client, last):
    client.force_login(last)
    return client


def page_of(user, name="change"):
    return reverse(f"admin:accounts_user_{name}", args=[user.pk])


def filled(user, **changes):
    form = {"username": user.username, "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return form | changes


@pytest.mark.parametrize("ticks", [{"is_active": "on"}, {"is_superuser": "on"}, {}], ids=str)
def test_the_page_refuses_to_demote_or_deactivate_the_last_operator(admin, last, ticks):
    factories.operator(username="without a password")
    factories.operator(username="switched off", password=SECRET, is_active=False)
    reply = admin.post(page_of(last), filled(last, **ticks))
    assert REFUSAL in reply.content.decode()
    last.refresh_from_db()
    assert last.is_operator


def test_the_page_demotes_an_operator_when_another_one_can_log_in(admin, last):
    other = factories.operator(username="other", password=SECRET)
    assert admin.post(page_of(other), filled(other, is_active="on")).status_code == 302
    assert not User.objects.get(pk=other.pk).is_operator
    assert REFUSAL in admin.post(page_of(last), filled(last, is_active="on")).content.decode()


def test_the_page_does_not_take_the_last_operators_password(admin, last):
    url = reverse("admin:auth_user_password_change", args=[last.pk])
    reply = admin.post(url, {"usable_password": "false", "unset-password": "yes"})
    assert REFUSAL in reply.content.decode()
    assert User.objects.get(pk=last.pk).check_password(SECRET)


def test_an_operator_sets_the_password_of_another_user_and_the_audit_log_says_so(admin):
    user = factories.user(username="ada")
    url = reverse("admin:auth_user_password_change", args=[user.pk])
    secret = "another horse battery"
    admin.post(url, {"usable_password": "true", "password1": secret, "password2": secret})
    assert authenticate(username="ada", password=secret) == user
    assert AuditEvent.objects.get(action="user.password").subject == "ada"


@pytest.mark.parametrize("how", ["delete", "anonymise"])
def test_the_page_does_not_remove_the_last_operator(client, last, how):
    client.force_login(factories.operator(username="by single sign-on"))  # has no password
    reply = client.post(page_of(last, "delete"), {"post": "yes", "how": how}, follow=True)
    assert REFUSAL in reply.content.decode()
    assert User.objects.get(pk=last.pk).check_password(SECRET)
    assert not AuditEvent.objects.filter(subject="last").exists()


@pytest.mark.parametrize("remove", [delete_user, anonymise_user])
def test_no_function_removes_the_last_operator(last, remove):
    with pytest.raises(LastOperator):
        remove(None, last)
    assert User.objects.get(pk=last.pk).is_operator


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_user SET is_active = false",
        "UPDATE accounts_user SET is_superuser = false WHERE username = 'last'",
        "UPDATE accounts_user SET password = '!'",
        "UPDATE accounts_user SET password = ''",
        "DELETE FROM accounts_user",
    ],
)
def test_the_database_refuses_statements_that_leave_no_operator(last, statement):
    factories.user()
    with pytest.raises(IntegrityError, match="No operator could log in"), transaction.atomic():
        connection.cursor().execute(statement)
    assert User.objects.get(pk=last.pk).is_operator


def test_other_changes_of_the_last_operator_are_allowed(last):
    User.objects.filter(pk=last.pk).update(is_superuser=True, first_name="Ada")
    last.set_password("another horse battery")
    last.save()
    with transaction.atomic():
        assert is_last_operator(last)
        assert not is_last_operator(factories.user())


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_demote_each_other_at_once_leave_one():
    pair = [factories.operator(username=name, password=SECRET) for name in ("one", "two")]
    together, refused = threading.Barrier(2), []

    def demote(user):
        try:
            with keeping_an_operator():
                together.wait(10)
                User.objects.filter(pk=user.pk).update(is_superuser=False, is_staff=False)
        except LastOperator:
            refused.append(user)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=(user,)) for user in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert User.objects.filter(is_superuser=True).count() == 1


# --- manage.py operator -----------------------------------------------------------------------------


def run(*arguments):
    out = io.StringIO()
    call_command("operator", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_makes_an_operator_and_prints_the_password():
    password = run("grace").split("Password: ")[1].strip()
    assert authenticate(username="grace", password=password).is_operator
    assert AuditEvent.objects.get(action="user.operator").detail["is_new"] is True


def test_the_command_restores_an_operator_who_was_shut_out(client):
    user = factories.user(username="admin", is_active=False)
    password = run("admin").split("Password: ")[1].strip()
    assert User.objects.get() == user
    client.post(reverse("login"), {"username": "admin", "password": password})
    assert client.get(reverse("admin:index")).status_code == 200


def test_the_command_takes_the_password_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    assert "Password" not in run("grace", "--password-stdin")
    assert authenticate(username="grace", password=SECRET)


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("grace", "12345", "too short"),
        ("grace", "", "no password"),
        ("gr ace", SECRET, "valid username"),
        ("ADA", SECRET, "Capital letters matter"),
    ],
)
def test_the_command_refuses_with_a_sentence_and_changes_nothing(monkeypatch, name, typed, sentence):
    factories.user(username="ada")
    monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
    with pytest.raises(CommandError, match=f"{sentence}.*Nothing was changed"):
        run(name, "--password-stdin")
    assert list(User.objects.values_list("username", "is_superuser")) == [("ada", False)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lock", [BACKUP, DUMP, MIGRATE, PREPARE])
def test_a_change_of_operators_waits_for_no_other_work(lock):
    factories.operator(password="correct horse")
    other = factories.operator(password="correct horse")
    with hold(lock), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 2000")
        deactivate_user(None, other)
        cursor.execute("RESET statement_timeout")
    other.refresh_from_db()
    assert not other.is_active
