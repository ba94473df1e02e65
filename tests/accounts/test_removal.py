"""An operator removes users in the admin."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.db.models.signals import pre_delete, pre_save
from django.urls import reverse

from accounts.identity.api_key import issue
from accounts.models import ApiKey, AuditEvent, User
from accounts.removal import anonymise_user, delete_user
from chat.asking.turns import Question, submit
from chat.models import Answer, Session
from tests import factories
from workspaces.errors import MembershipRefused
from workspaces.members import add_member
from workspaces.models import Membership, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    client.force_login(factories.operator(username="op"))
    return client


@pytest.fixture
def workspace():
    return factories.workspace()


@pytest.fixture
def leaver(workspace):
    """A member who has asked, and who has added a document."""
    user = factories.member(workspace, Role.EDITOR, username="lea", first_name="Lea", email="lea@example.com")
    submit(user, Question(None, uuid4().hex, "What is a pump?", endpoints=[factories.chat_endpoint()]))
    factories.document(workspace, created_by=user)
    issue(user, "script")
    return user


def removal_of(user):
    return reverse("admin:accounts_user_delete", args=[user.pk])


def test_the_page_says_what_goes_and_what_stays(operator, leaver):
    page = operator.get(removal_of(leaver)).content.decode()
    for count in ("Sessions: 1", "API keys: 1", "Members: 1"):
        assert count in page
    assert "documents and workspaces that they added stay" in page
    assert "ask an operator" not in page


def test_a_user_who_has_asked_is_deleted_with_their_conversations(operator, leaver, workspace):
    reply = operator.post(removal_of(leaver), {"post": "yes", "how": "delete"}, follow=True)
    assert "was deleted" in reply.content.decode()
    assert not User.objects.filter(username="lea").exists()
    assert not Session.objects.exists()
    assert not Answer.objects.exists()
    assert not ApiKey.objects.exists()
    assert workspace.documents.get().created_by is None
    assert AuditEvent.objects.get(action="user.delete").subject == "lea"


def test_an_anonymised_user_leaves_conversations_without_a_name(client, operator, leaver, workspace):
    reply = operator.post(removal_of(leaver), {"post": "yes", "how": "anonymise"}, follow=True)
    assert "Lea was anonymised" in reply.content.decode()
    user = Session.objects.get().user
    assert user.username.startswith("removed-")
    assert (user.first_name, user.email, user.is_active, user.has_usable_password()) == ("", "", False, False)
    assert not ApiKey.objects.exists()
    assert not Membership.objects.filter(user=user).exists()
    assert workspace.documents.get().created_by == user


def test_nobody_removes_themselves(operator):
    assert operator.post(removal_of(User.objects.get(username="op")), {"post": "yes"}).status_code == 403


def test_several_users_are_not_deleted_at_once(operator, leaver):
    page = operator.get(reverse("admin:accounts_user_changelist")).content.decode()
    assert "delete_selected" not in page


@contextmanager
def meanwhile(signal, action):
    """Run the action in another connection while a removal has counted its rows. Yield the action's result."""
    result = Future()

    def run():
        try:
            return action()
        finally:
            connection.close()

    def begin(**sent):
        if not result.done():
            result.set_result(pool.submit(run))
            wait([result.result()], timeout=0.5)

    with ThreadPoolExecutor(1) as pool:
        signal.connect(begin, sender=User)
        try:
            yield lambda: result.result().result(timeout=10)
        finally:
            signal.disconnect(begin, sender=User)


@pytest.mark.django_db(transaction=True)
def test_a_conversation_that_begins_during_a_deletion_is_refused_and_the_deletion_succeeds(leaver):
    with meanwhile(pre_delete, lambda: Session.objects.create(user=leaver)) as result:
        delete_user(factories.operator(), User.objects.get(pk=leaver.pk))
        with pytest.raises(IntegrityError):
            result()
    assert not User.objects.filter(username="lea").exists()
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_being_anonymised_becomes_no_member(leaver):
    operator, workspace = factories.operator(), factories.workspace()
    with meanwhile(pre_save, lambda: add_member(operator, workspace, leaver, Role.VIEWER)) as result:
        anonymise_user(operator, User.objects.get(pk=leaver.pk))
        with pytest.raises(MembershipRefused):
            result()
    assert not Membership.objects.filter(user=leaver).exists()
