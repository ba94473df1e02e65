import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import Http404

from accounts.models import AuditEvent
from tests import factories
from workspaces.access import role_in, workspace_for, workspaces_for
from workspaces.engines import engine_for
from workspaces.models import Membership, Role
from workspaces.provision import delete_workspace, provision_workspace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("has", Role)
@pytest.mark.parametrize("needs", Role)
def test_a_member_gets_in_with_enough_of_a_role(has, needs):
    workspace, user = factories.workspace(), factories.user()
    Membership.objects.create(workspace=workspace, user=user, role=has)
    if has.level >= needs.level:
        assert workspace_for(user, workspace.id, needs) == workspace
    else:
        with pytest.raises(Http404):
            workspace_for(user, workspace.id, needs)


def test_a_stranger_an_anonymous_and_a_disabled_member_find_nothing():
    workspace, member = factories.workspace(), factories.user()
    Membership.objects.create(workspace=workspace, user=member, role=Role.MANAGER)
    member.is_active = False
    for user in (factories.user(), AnonymousUser(), member):
        assert not workspaces_for(user).exists()
        with pytest.raises(Http404):
            workspace_for(user, workspace.id)


def test_an_operator_manages_every_workspace():
    workspace, operator = factories.workspace(), factories.user(is_superuser=True)
    assert workspace_for(operator, workspace.id, Role.MANAGER) == workspace
    assert role_in(operator, workspace) == Role.MANAGER


@pytest.mark.parametrize("id", ["not-a-uuid", "", "' OR 1=1 --", None])
def test_an_id_that_is_none_is_not_found(id):
    with pytest.raises(Http404):
        workspace_for(factories.user(), id)


def test_creating_makes_the_creator_manager_and_leaves_a_record():
    user, other = factories.user(), factories.user()
    workspace = provision_workspace(
        user, members=[other], name="Handbook", languages=["en"], embedder=factories.embedder()
    )
    assert role_in(user, workspace) == Role.MANAGER
    assert role_in(other, workspace) == Role.VIEWER
    assert engine_for(workspace).count() == 0
    assert AuditEvent.objects.filter(action="workspace.create", user=user).exists()


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"chunk_size": 500, "chunk_overlap": 500}, "chunk_overlap", "smaller than the chunk size"),
        ({"chunk_size": 100}, "chunk_size", "more than 100"),
        ({"chunk_size": 10_000}, "chunk_size", "fewer than 10,000"),
        ({"languages": ["en", "de", "fr", "es"]}, "languages", "one to three"),
        ({"languages": []}, "languages", "one to three"),
        ({"languages": ["en", "en"]}, "languages", "different"),
        ({"languages": ["xx"]}, "languages", "Unknown language: xx"),
        ({"engine": "none"}, "engine", "Choose one of"),
        ({"metric": "manhattan"}, "metric", "not a valid choice"),
    ],
)
def test_impossible_settings_are_refused_by_field(wrong, field, sentence):
    fields = {"name": "W", "languages": ["en"], "embedder": factories.embedder(), **wrong}
    with pytest.raises(ValidationError, match=sentence) as caught:
        provision_workspace(factories.user(), **fields)
    assert field in caught.value.message_dict


def test_an_embedder_that_never_passed_a_check_is_refused():
    with pytest.raises(Exception, match="has not passed a check yet"):
        provision_workspace(
            factories.user(), name="W", languages=["en"], embedder=factories.embedder(dimensions=None)
        )


def test_deleting_removes_the_table_and_leaves_a_record():
    workspace, user = factories.workspace(), factories.user()
    engine = engine_for(workspace)
    delete_workspace(user, workspace)
    with pytest.raises(Exception, match="does not exist"):
        engine.count()


def test_workspaces_stand_in_the_order_of_their_letters_whatever_their_case_and_accents():
    operator = factories.operator()
    for name in ("Zebra", "apfel", "Äpfel", "École", "eco"):
        factories.workspace(name=name)
    names = [each.name for each in workspaces_for(operator)]
    assert names == ["apfel", "Äpfel", "eco", "École", "Zebra"]
