"""The door for settings: the same rules whoever knocks, a form, the API, the admin or a command."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import AuditEvent
from tests import factories
from workspaces.engines import ENGINES
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.registry import EngineInfo
from workspaces.errors import MembershipRefused
from workspaces.forms import IndexKindForm, NewWorkspaceForm
from workspaces.members import add_member
from workspaces.models import IndexKind, Membership, Role, Workspace
from workspaces.settings import change_settings, create_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled():
    workspace = factories.workspace()
    factories.document(workspace)
    Workspace.objects.filter(pk=workspace.pk).update(document_count=1)
    workspace.refresh_from_db()
    return workspace


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("languages", ["fr"]),
        ("chunk_size", 600),
        ("parser", "layout"),
        ("chunking", "layout"),
        ("metric", "l2"),
    ],
)
def test_what_the_index_was_made_with_is_refused_where_there_are_documents(filled, name, value):
    before = getattr(filled, name)
    with pytest.raises(ValidationError, match="Build a new index") as refusal:
        change_settings(None, filled, **{name: value, "description": "Other."})
    assert list(refusal.value.message_dict) == [name]
    stored = Workspace.objects.get(pk=filled.pk)
    assert (getattr(stored, name), stored.description) == (before, ""), "nothing of it is saved"


def test_sent_as_it_is_it_is_no_change(filled):
    before = filled.name
    change_settings(None, filled, languages=["en"], chunk_size=filled.chunk_size, name="Renamed")
    assert Workspace.objects.get(pk=filled.pk).name == "Renamed"
    assert AuditEvent.objects.get(action="workspace.change").detail["changes"] == {
        "name": {"old": before, "new": "Renamed"}
    }


def test_an_empty_workspace_takes_other_languages_but_keeps_its_embedder():
    workspace = factories.workspace()
    change_settings(None, workspace, languages=["fr"], chunk_size=600)
    assert Workspace.objects.get(pk=workspace.pk).languages == ["fr"]
    with pytest.raises(ValidationError, match="Build a new index"):
        change_settings(None, workspace, metric="l2")


def test_a_provider_that_only_quotes_neither_summarises_nor_rewrites():
    workspace, quotes = factories.workspace(), factories.chat_endpoint(name="Quotes")
    with pytest.raises(ValidationError, match="only quotes and cannot write text"):
        change_settings(None, workspace, condenser=quotes)
    with pytest.raises(ValidationError, match="only quotes and cannot write text"):
        change_settings(None, workspace, summarizer=quotes)


def test_passages_of_one_document_have_an_upper_bound_at_every_door():
    workspace = factories.workspace()
    with pytest.raises(ValidationError, match="from 1 to 50"):
        change_settings(None, workspace, most_per_document=51)


def test_without_an_embedder_none_is_made():
    with pytest.raises(ValidationError, match="No embedding model is set up yet"):
        create_workspace(None, name="Handbook", languages=["en"])


@pytest.fixture
def console(client: Client):
    client.force_login(factories.operator())
    return client


def _inline(*rows, initial):
    prefix = "memberships"
    data = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data


@pytest.mark.parametrize(
    "change", [{"role": "viewer"}, {"role": "manager", "DELETE": "on"}], ids=["demote", "remove"]
)
def test_the_admin_keeps_the_last_manager_as_every_other_door(console, change):
    workspace = factories.workspace()
    manager = factories.member(workspace, Role.MANAGER)
    membership = Membership.objects.get(user=manager)
    row = {"id": membership.pk, "workspace": workspace.pk, "user": manager.pk, **change}
    data = {"name": workspace.name, "description": "", **_inline(row, initial=1)}
    page = console.post(f"/admin/workspaces/workspace/{workspace.pk}/change/", data)
    assert "is the only manager" in page.content.decode()
    assert Membership.objects.get(user=manager).role == Role.MANAGER


def test_the_admin_hands_a_workspace_from_one_manager_to_another(console):
    workspace = factories.workspace()
    old, new = factories.member(workspace, Role.MANAGER), factories.user()
    membership = Membership.objects.get(user=old)
    row = {"id": membership.pk, "workspace": workspace.pk, "user": old.pk, "role": "viewer"}
    added = {"id": "", "workspace": workspace.pk, "user": new.pk, "role": "manager"}
    data = {"name": workspace.name, "description": "", **_inline(row, added, initial=1)}
    assert console.post(f"/admin/workspaces/workspace/{workspace.pk}/change/", data).status_code == 302
    assert dict(Membership.objects.values_list("user", "role")) == {old.pk: "viewer", new.pk: "manager"}


def test_who_is_deactivated_becomes_no_member():
    workspace = factories.workspace()
    with pytest.raises(MembershipRefused, match="is deactivated"):
        add_member(factories.operator(), workspace, factories.user(is_active=False), Role.VIEWER)


@pytest.fixture
def exact_engine(monkeypatch):
    """A second engine, which compares exactly only."""
    info = EngineInfo("Elsewhere", PgVector, (IndexKind.EXACT,))
    monkeypatch.setitem(ENGINES, "elsewhere", info)


def test_an_index_that_the_engine_has_not_is_neither_offered_nor_taken(exact_engine):
    workspace = factories.workspace(engine="elsewhere", index_kind="exact")
    kinds = IndexKindForm(instance=workspace).fields["index_kind"].choices
    assert [value for value, _ in kinds] == ["exact"]
    with pytest.raises(ValidationError, match="This engine has: exact"):
        change_settings(None, workspace, index_kind="hnsw")


def test_the_page_offers_engines_where_there_are_several(exact_engine):
    assert [value for value, _ in NewWorkspaceForm().fields["engine"].choices] == ["pgvector", "elsewhere"]


def test_a_single_engine_is_no_choice():
    assert "engine" not in NewWorkspaceForm().fields
