"""The pages of workspaces: the list, creating one, members and settings."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from accounts.models import AuditEvent
from documents.models import Document
from models_registry.models import Endpoint
from tests import factories
from tests.fakes.openai_server import Behaviour
from workspaces.models import Membership, Role, Workspace

from .conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker():
    """Return a user who may create workspaces."""
    made = factories.user(username="maker")
    made.user_permissions.add(Permission.objects.get(codename="add_workspace"))
    return made


@pytest.fixture
def embedder(server):
    return factories.embedder(base_url=server.base_url, dimensions=None)


def form(model: Endpoint, **changes) -> dict:
    """Return what a browser sends for a filled form. None leaves a field out."""
    fields = {
        "name": "Handbook", "languages": ["en", "", ""], "embedder": str(model.pk), "members": "",
        "description": "", "is_hybrid": "on", "reranker": "", "parser": "fast", "chunking": "recursive", "chunk_size": "1000",
        "chunk_overlap": "150", "metric": "cosine", "index_kind": "auto",
    }  # fmt: skip
    return {name: value for name, value in (fields | changes).items() if value is not None}


# --- the list ---------------------------------------------------------------------------------


def test_the_list_shows_only_what_is_shared_with_me(as_user):
    mine, theirs = factories.workspace(name="Mine"), factories.workspace(name="Theirs")
    page = text_of(as_user(factories.member(mine)).get("/workspaces/"))
    assert "Mine" in page
    assert "Viewer" in page
    assert theirs.name not in page


def test_health_is_at_a_glance_and_leads_to_the_filtered_list(as_user):
    workspace = factories.workspace()
    for status in ("ready", "ready", "processing", "pending", "failed"):
        factories.document(workspace, status=status)
    page = text_of(as_user(factories.member(workspace)).get("/workspaces/"))
    assert "Working on 2 of 5" in page
    assert f'/workspaces/{workspace.id}/?status=working"' in page
    assert "1 failed" in page
    assert f'/workspaces/{workspace.id}/?status=attention"' in page


def test_the_number_of_queries_does_not_grow_with_the_workspaces(as_user, django_assert_num_queries):
    embedder, user = factories.embedder(), factories.user()
    client = as_user(user)
    for _ in range(2):
        for _ in range(4):
            workspace = factories.workspace(embedder=embedder)
            Membership.objects.create(workspace=workspace, user=user)
            factories.document(workspace)
        with django_assert_num_queries(6):
            client.get("/workspaces/")


def test_an_empty_list_says_what_it_is_for_and_who_may_fill_it(as_user, maker):
    can, cannot = (text_of(as_user(user).get("/workspaces/")) for user in (maker, factories.user()))
    assert "No workspace yet" in can
    assert "/workspaces/new/" in can
    assert "/workspaces/new/" not in cannot
    assert "an operator for the permission to add workspaces" in cannot


# --- creating one -----------------------------------------------------------------------------


def test_a_workspace_is_made_with_its_maker_as_manager_and_its_members(as_user, maker, embedder):
    factories.user(username="li")
    response = as_user(maker).post(
        "/workspaces/new/", form(embedder, members="li", languages=["en", "de", ""])
    )
    workspace = Workspace.objects.get()
    assert response.url == f"/workspaces/{workspace.id}/add/"
    assert (workspace.languages, workspace.dimensions) == (["en", "de"], 384)
    roles = dict(workspace.memberships.values_list("user__username", "role"))
    assert roles == {"maker": Role.MANAGER, "li": Role.VIEWER}
    assert AuditEvent.objects.filter(action="workspace.create", user=maker).exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "Taken"}, "There is a workspace with this name already. Choose another."),
        ({"chunk_size": "500", "chunk_overlap": "500"}, "The overlap must be smaller than the chunk size."),
        ({"chunk_size": "100"}, "Choose more than 100 and fewer than 10,000 characters."),
        ({"chunk_size": "10000"}, "Choose more than 100 and fewer than 10,000 characters."),
        ({"chunk_size": "many"}, "Enter a whole number."),
        ({"chunk_overlap": "-1"}, "Ensure this value is greater than or equal to 0."),
        ({"languages": ["en", "de", "fr", "es"]}, "Choose one to three different languages."),
        ({"languages": ["en", "en"]}, "Choose one to three different languages."),
        ({"languages": []}, "Choose one to three different languages."),
        ({"languages": ["xx"]}, "xx is not a known language."),
        ({"embedder": None}, "Choose a model."),
        ({"embedder": "7c0f9fd4-6a09-4f9c-9c3c-2f2c1c8f4b11"}, "This model is no longer offered."),
        ({"members": "li, ghost"}, "There is no user called ghost."),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_cannot_be_made_is_refused_with_its_reason(as_user, maker, embedder, server, changes, sentence):
    factories.user(username="li")
    factories.workspace(name="Taken", embedder=factories.embedder())
    response = as_user(maker).post("/workspaces/new/", form(embedder, **changes))
    assert sentence in text_of(response)
    assert Workspace.objects.count() == 1
    assert not server.requests  # an invalid form causes no call to a model


def test_a_name_that_is_too_long_is_kept_in_the_form_with_the_reason(as_user, maker, embedder):
    browser = as_user(maker)
    page = text_of(browser.get("/workspaces/new/"))
    assert 'data-limit="80"' in page
    name = "Handbook " * 10
    refused = text_of(browser.post("/workspaces/new/", form(embedder, name=name)))
    assert name.strip() in refused
    assert "at most 80 characters (it has 89)" in refused
    assert not Workspace.objects.filter(name__startswith="Handbook").exists()


def test_an_embedder_that_fails_its_check_is_refused_with_what_it_said(as_user, maker, embedder, server):
    server.behaviour = Behaviour(status=500)
    page = text_of(as_user(maker).post("/workspaces/new/", form(embedder)))
    embedder.refresh_from_db()
    assert f"{embedder} is not answering right now: {embedder.last_error}" in page
    assert embedder.last_error
    assert not Workspace.objects.exists()


def test_an_embedder_that_is_down_is_refused(as_user, maker):
    embedder = factories.embedder()  # no server listens there
    page = text_of(as_user(maker).post("/workspaces/new/", form(embedder)))
    assert "is not answering right now" in page
    assert not Workspace.objects.exists()


def test_dimensions_beyond_the_index_are_said_and_searched_exactly(as_user, maker, embedder, server):
    server.behaviour = Behaviour(dimensions=4096)
    page = text_of(as_user(maker).post("/workspaces/new/", form(embedder), follow=True))
    assert "has 4,096 dimensions, more than an index can hold. Searches are exact" in page
    assert Workspace.objects.get().dimensions == 4096


def test_dimensions_that_the_engine_cannot_keep_are_refused(as_user, maker, embedder, server):
    server.behaviour = Behaviour(dimensions=17_000)
    page = text_of(as_user(maker).post("/workspaces/new/", form(embedder)))
    assert "pgvector keeps vectors of 1 to 16,000 dimensions, not 17,000." in page
    assert not Workspace.objects.exists()


def test_making_one_needs_the_permission(as_user, embedder):
    client = as_user(factories.user())
    refused = client.get("/workspaces/new/")
    assert refused.status_code == 403
    assert "ask an operator for the permission to add workspaces" in text_of(refused)
    assert client.post("/workspaces/new/", form(embedder)).status_code == 403
    assert not Workspace.objects.exists()


def test_without_an_embedding_model_the_page_says_who_adds_one(as_user, maker):
    page = text_of(as_user(maker).get("/workspaces/new/"))
    assert "An embedding model is missing" in page
    assert '<form class="form"' not in page


# --- permissions ------------------------------------------------------------------------------

PAGES = {  # tab -> the lowest role that may open it
    "": Role.VIEWER, "search/": Role.VIEWER, "add/": Role.EDITOR, "members/": Role.MANAGER, "settings/": Role.MANAGER,
}  # fmt: skip


@pytest.mark.parametrize("tab", PAGES)
@pytest.mark.parametrize("role", [*Role, None])
def test_each_tab_opens_for_its_roles_and_is_a_404_for_others(as_user, tab, role):
    workspace = factories.workspace(name="Secret plans")
    user = factories.member(workspace, role) if role else factories.user()
    response = as_user(user).get(f"/workspaces/{workspace.id}/{tab}")
    allowed = role is not None and role.level >= PAGES[tab].level
    assert response.status_code == (200 if allowed else 404)
    assert allowed or "Secret plans" not in text_of(response)


@pytest.mark.parametrize("tab", PAGES)
def test_nobody_anonymous_gets_in_and_every_operator_does(client, as_user, tab):
    workspace = factories.workspace()
    address = f"/workspaces/{workspace.id}/{tab}"
    assert client.get(address).url == f"/login/?next={address}"
    assert as_user(factories.operator()).get(address).status_code == 200


@pytest.mark.parametrize("role", Role)
def test_the_tabs_one_may_not_open_are_not_shown(as_user, role):
    workspace = factories.workspace()
    page = text_of(as_user(factories.member(workspace, role)).get(f"/workspaces/{workspace.id}/"))
    for tab, least in PAGES.items():
        assert (f'href="/workspaces/{workspace.id}/{tab}"' in page) == (role.level >= least.level)


def test_hostile_names_are_text(as_user, maker):
    workspace = factories.workspace(
        name="<script>alert(1)</script>", description='"><img src=x onerror=alert(1)>'
    )
    factories.document(workspace, title="<b>bold</b>.txt", error="<i>why</i>", status=Document.Status.FAILED)
    client = as_user(factories.member(workspace, Role.MANAGER, username="o<u>ch</u>"))
    for address in ("", *(f"{workspace.id}/{tab}" for tab in PAGES)):
        page = client.get(f"/workspaces/{address}").content.decode()
        assert not {"<script>alert", "<img src=x", "<b>bold", "<i>why", "<u>ch"} & set(_fragments(page))


def _fragments(page: str) -> list[str]:
    return [each for each in ("<script>alert", "<img src=x", "<b>bold", "<i>why", "<u>ch") if each in page]


# --- members ----------------------------------------------------------------------------------


@pytest.fixture
def shared():
    """Create a workspace with one manager and one viewer."""
    workspace = factories.workspace(name="Shared")
    factories.member(workspace, Role.MANAGER, username="mana")
    factories.member(workspace, Role.VIEWER, username="vic")
    return workspace


@pytest.fixture
def manage(as_user, shared):
    return as_user(shared.members.get(username="mana"))


def test_a_manager_adds_somebody_by_username(manage, shared):
    factories.user(username="eve")
    response = manage.post(
        f"/workspaces/{shared.id}/members/", {"username": "eve", "role": "editor"}, follow=True
    )
    assert "eve is now editor here." in text_of(response)
    assert shared.memberships.get(user__username="eve").role == Role.EDITOR
    assert AuditEvent.objects.filter(action="member.add").exists()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"username": "ghost", "role": "viewer"}, "There is no user called ghost."),
        ({"username": "vic", "role": "viewer"}, "vic is already a member. Change the role in the list."),
        ({"username": "vic mana", "role": "viewer"}, "Add one person at a time."),
        ({"username": "", "role": "viewer"}, "This field is required."),
        ({"username": "outsider", "role": "king"}, "Select a valid choice."),
    ],
    ids=["unknown", "member already", "two at once", "nobody", "unknown role"],
)
def test_who_cannot_be_added_is_said(manage, shared, data, sentence):
    factories.user(username="outsider")
    assert sentence in text_of(manage.post(f"/workspaces/{shared.id}/members/", data))
    assert shared.memberships.count() == 2


def test_roles_change_and_members_go(manage, shared):
    vic = shared.memberships.get(user__username="vic")
    manage.post(f"/workspaces/{shared.id}/members/{vic.pk}/", {"role": "editor"})
    vic.refresh_from_db()
    assert vic.role == Role.EDITOR
    manage.post(f"/workspaces/{shared.id}/members/{vic.pk}/remove/")
    assert not Membership.objects.filter(pk=vic.pk).exists()
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"member.change", "member.remove"}


@pytest.mark.parametrize(
    ("way", "data"), [("", {"role": "viewer"}), ("remove/", {})], ids=["demote", "remove"]
)
def test_the_last_manager_stays(manage, shared, way, data):
    mana = shared.memberships.get(user__username="mana")
    response = manage.post(f"/workspaces/{shared.id}/members/{mana.pk}/{way}", data, follow=True)
    assert "mana is the only manager. Make another member a manager first" in text_of(response)
    mana.refresh_from_db()
    assert mana.role == Role.MANAGER


def test_a_manager_who_leaves_lands_in_the_list(manage, shared):
    factories.member(shared, Role.MANAGER)
    mana = shared.memberships.get(user__username="mana")
    assert manage.post(f"/workspaces/{shared.id}/members/{mana.pk}/remove/").url == "/workspaces/"


def test_a_membership_of_another_workspace_cannot_be_reached(manage, shared):
    other = factories.workspace()
    factories.member(other)
    foreign = other.memberships.get()
    assert manage.post(f"/workspaces/{shared.id}/members/{foreign.pk}/remove/").status_code == 404
    assert Membership.objects.filter(pk=foreign.pk).exists()


# --- settings ---------------------------------------------------------------------------------


def test_settings_change_what_may_change_and_nothing_else(manage, shared):
    Workspace.objects.filter(pk=shared.pk).update(chunk_count=7)
    fields = form(
        shared.embedder, name="Renamed", chunk_size="400", chunk_overlap="40", is_hybrid=None, metric="l2"
    )
    assert manage.post(f"/workspaces/{shared.id}/settings/", fields).status_code == 302
    after = Workspace.objects.get(pk=shared.pk)
    assert (after.name, after.chunk_size, after.is_hybrid) == ("Renamed", 400, False)
    assert (after.metric, after.chunk_count) == ("cosine", 7)
    assert AuditEvent.objects.get(action="workspace.change").subject == "Renamed"


def test_refused_settings_keep_the_old_name_on_the_page(manage, shared):
    fields = form(shared.embedder, name="Renamed", chunk_overlap="1000")
    page = text_of(manage.post(f"/workspaces/{shared.id}/settings/", fields))
    assert "The overlap must be smaller than the chunk size." in page
    assert '<h1 dir="auto">Shared</h1>' in page
    assert Workspace.objects.get(pk=shared.pk).name == "Shared"


def test_a_reranker_that_does_not_answer_is_not_chosen(manage, shared):
    reranker = Endpoint.objects.create(
        name="cross", kind="reranker", provider="container", options={"url": "http://127.0.0.1:9"}
    )
    fields = form(shared.embedder, name="Shared", reranker=str(reranker.pk))
    assert "cross is not answering right now" in text_of(
        manage.post(f"/workspaces/{shared.id}/settings/", fields)
    )
    assert Workspace.objects.get(pk=shared.pk).reranker is None


def test_deleting_a_workspace_wants_its_name(manage, shared):
    wrong = manage.post(f"/workspaces/{shared.id}/delete/", {"name": "shared"}, follow=True)
    assert "Nothing was deleted: the name you typed is not Shared." in text_of(wrong)
    right = manage.post(f"/workspaces/{shared.id}/delete/", {"name": "Shared"}, follow=True)
    assert "Shared and everything in it was deleted." in text_of(right)
    assert not Workspace.objects.exists()
    table = f"w_{shared.id.hex}"
    assert table not in connection.introspection.table_names()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, None])
@pytest.mark.parametrize("way", ["delete/", "settings/", "members/"])
def test_only_managers_change_anything(as_user, shared, role, way):
    user = factories.member(shared, role) if role else factories.user()
    data = {"name": "Shared", "username": user.username, "role": "manager"}
    assert as_user(user).post(f"/workspaces/{shared.id}/{way}", data).status_code == 404
    assert Workspace.objects.filter(name="Shared").exists()
