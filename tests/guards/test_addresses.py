"""Nobody gets anywhere by forgetting: every address there is refuses who has no business there.

The addresses are read from the URL resolver, so a new one is tested without being mentioned here.
"""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from chat.models import Answer, Session, SharedLink
from documents.models import Document, Upload
from workspaces.models import Membership, Workspace

from .world import METHODS, World, addresses, unnamed

pytestmark = pytest.mark.django_db

PUBLIC = {"login", "health", "api-health", "diagram-frame"}
# These only read, whatever the method: a form that was sent with POST, or a method that was not looked at.
READS = {
    "workspace",
    "workspace-search",
    "document",
    "document-download",
    "api-documents",
    "api-documents-of-kind",
}
OF_A_WORKSPACE = {"workspace_id", "document_id", "membership_id", "search_id"}
OF_A_PERSON = {
    "session_id", "answer_id", "turn_id", "import_id", "link_id", "folder_id", "key_id", "prompt_id",
}  # fmt: skip


@pytest.fixture
def world():
    return World()


class _Client(Client):
    def request(self, **request):
        response = super().request(**request)
        if response.streaming:
            response.getvalue()  # a download keeps its file open until it was read
        return response


def client_of(user=None):
    client = _Client()
    if user:
        client.force_login(user)
    return client


def named(arguments):
    return [address for address in addresses() if arguments & set(address.arguments) and not address.is_admin]


def state():
    """All that a request could have changed in the workspace."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Workspace, Document, Upload, Membership, AuditEvent)
    ]


def test_every_address_has_a_name_so_that_it_is_walked():
    assert {address.name for address in addresses()} >= PUBLIC | READS
    assert all("admin" in str(pattern.callback.__module__) or "generic" in str(pattern.callback.__module__)
               for pattern in unnamed())  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_anonymous_visitors_are_sent_to_the_login_or_refused(world, method):
    login = reverse("login")
    for address in addresses():
        if address.name in PUBLIC:
            continue
        response = client_of().generic(method, world.path(address))
        is_sent_away = response.status_code == 302 and response.url.startswith((login, "/admin/"))
        assert is_sent_away or response.status_code in (401, 404, 405), (address.name, response.status_code)


def test_public_addresses_answer_anonymous_visitors(world):
    for address in addresses():
        if address.name in PUBLIC:
            assert client_of().get(world.path(address)).status_code == 200, address.name


def test_an_admin_address_that_does_not_exist_says_so_to_nobody(world):
    assert client_of().get("/admin/nothing/here/").status_code == 302


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_finds_nothing_of_a_workspace_or_a_person(world, method):
    for address in named(OF_A_WORKSPACE | OF_A_PERSON):
        response = client_of(world.stranger).generic(
            method, world.path(address), content_type="application/json"
        )
        assert response.status_code in (404, 405), (address.name, response.status_code)


def test_a_stranger_gets_404_and_not_merely_the_wrong_method(world):
    for address in named(OF_A_WORKSPACE | OF_A_PERSON):
        client = client_of(world.stranger)
        statuses = {client.generic(method, world.path(address)).status_code for method in METHODS}
        assert 404 in statuses, address.name


@pytest.mark.parametrize("method", [method for method in METHODS if method != "GET"])
def test_a_viewer_writes_nothing(world, method):
    client = client_of(world.viewer)
    before = state()
    for address in named(OF_A_WORKSPACE):
        response = client.generic(method, world.path(address), content_type="application/json")
        if address.name not in READS:
            assert response.status_code in (403, 404, 405), (address.name, response.status_code)
        assert state() == before, address.name


def test_a_viewer_reads(world):
    client = client_of(world.viewer)
    for name in (
        "workspace",
        "workspace-search",
        "document",
        "document-download",
        "api-document",
        "api-workspace",
    ):
        address = next(each for each in addresses() if each.name == name)
        assert client.get(world.path(address)).status_code == 200, name


@pytest.mark.parametrize("method", METHODS)
def test_what_somebody_asked_is_theirs_alone(world, method):
    """Not even a member of the same workspace, nor an operator, sees or changes it."""
    operator = User.objects.create(username="op", is_superuser=True, is_staff=True)
    for user in (world.viewer, operator):
        for address in named(OF_A_PERSON):
            response = client_of(user).generic(method, world.path(address))
            assert response.status_code in (404, 405), (address.name, response.status_code)
    assert Session.objects.count() == Answer.objects.count() == SharedLink.objects.count() == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_console_is_closed_to_members(world, method):
    client = client_of(world.manager)
    before = state()
    for address in addresses():
        if address.is_admin:
            response = client.generic(method, world.path(address), follow=True)
            while response.status_code == 302:
                response = client.get(response.url)
            assert response.status_code in (403, 405), (address.name, response.status_code)
    assert state() == before


def test_the_console_opens_every_page_to_operators_and_shows_no_chat(world):
    operator = User.objects.create(username="op", is_superuser=True, is_staff=True)
    client = client_of(operator)
    refused = {"autocomplete", "view_on_site"}  # they want parameters of their own
    for address in addresses():
        if not address.is_admin or address.name.removeprefix("admin:") in refused or "logout" in address.name:
            continue
        response = client.get(world.path(address))
        if response.status_code == 302:
            response = client.get(response.url)
        assert response.status_code in (200, 403, 405), (address.name, response.status_code)
        for secret in ("secret title", "secret question", "secret answer", "secret.json"):
            assert secret not in response.content.decode(), address.name


def test_a_deactivated_user_is_anonymous(world):
    client = client_of(world.manager)
    User.objects.filter(pk=world.manager.pk).update(is_active=False)
    for name in ("workspace", "session", "api-workspace"):
        address = next(each for each in addresses() if each.name == name)
        assert client.get(world.path(address)).status_code in (302, 401), name
