from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat.models import Session, SharedLink, SharingPolicy
from chat.sharing import reading
from chat.sharing.links import LinkSettings, create_link
from chat.sharing.tokens import token_of
from core.rate import Buckets
from tests import factories
from workspaces.models import Membership, Role, Workspace


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_guesses", Buckets(per_s=1e9, burst=1e9))


@pytest.fixture
def workspace() -> Workspace:
    return factories.workspace(access_levels=["everyone", "staff", "board"])


@pytest.fixture
def member(workspace: Workspace) -> Callable[..., User]:
    """Return a function that makes a viewer of the workspace at a level."""

    def make(level: int = 0, **fields: Any) -> User:
        user = factories.member(workspace, Role.VIEWER, **fields)
        Membership.objects.filter(user=user).update(access_level=level)
        return user

    return make


@pytest.fixture
def owner(member: Callable[..., User]) -> User:
    return member(2, username="grace")


@pytest.fixture
def session(owner: User) -> Session:
    return factories.session(owner, title="An own title")


@pytest.fixture
def share() -> Callable[..., SharedLink]:
    def share(session: Session, *, last_turn: Any = None, **settings: Any) -> SharedLink:
        return create_link(session.owner, session.pk, LinkSettings(**settings), last_turn)

    return share


@pytest.fixture
def allow_anybody() -> Callable[..., None]:
    def allow(*workspaces: Workspace) -> None:
        policy, _ = SharingPolicy.objects.get_or_create(pk=1)
        policy.allows_anybody = True
        policy.save()
        policy.open_workspaces.set(workspaces)

    return allow


def client_of(user: User | None = None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def open_as(user: User | None, link: SharedLink) -> Any:
    return client_of(user).get(address(link))


def read_as(user: User | None, link: SharedLink) -> str:
    reply = open_as(user, link)
    assert reply.status_code == 200
    return str(reply.content.decode())


def address(link: SharedLink) -> str:
    return f"/shared/{token_of(link.pk)}/"
