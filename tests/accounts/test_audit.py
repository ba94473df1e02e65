"""The audit log keeps who did what, and what changed from which value to which."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes import HIDDEN, MAX_CHARACTERS, differences
from accounts.identity.api_key import issue
from accounts.models import AuditEvent, User, record
from accounts.removal import delete_user
from core.admin.long_lists import MOST
from documents.sources.service import add_website
from models_registry.models import Endpoint
from tests import factories
from tests.api.conftest import api as api
from workspaces.models import Membership, Role

pytestmark = pytest.mark.django_db
LOG = reverse("admin:accounts_auditevent_changelist")


@pytest.fixture
def admin(client):
    client.force_login(factories.operator(username="op"))
    return client


def change_of(action):
    return AuditEvent.objects.get(action=action).detail["changes"]


# --- who ------------------------------------------------------------------------------------------


def test_events_keep_the_name_of_a_deleted_user_and_are_found_by_it(admin):
    user = factories.user(username="xenia")
    id = user.pk
    record(user, "document.add", "pumps.pdf")
    delete_user(None, user)
    event = AuditEvent.objects.get(action="document.add")
    assert (event.actor_name, event.user_id) == ("xenia", id)
    page = admin.get(LOG, {"q": "xenia"}).content.decode()
    assert "pumps.pdf" in page
    assert f"?user__id__exact={id}" in page
    assert admin.get(reverse("admin:accounts_auditevent_change", args=[event.pk])).status_code == 200


def test_the_events_of_a_user_are_found_after_a_change_of_the_name(admin):
    user = factories.user(username="before")
    record(user, "document.add", "pumps.pdf")
    User.objects.filter(pk=user.pk).update(username="after")
    user.refresh_from_db()
    record(user, "document.add", "valves.pdf")
    record(factories.user(), "document.add", "bolts.pdf")
    page = admin.get(LOG, {"user__id__exact": user.pk}).content.decode()
    assert "pumps.pdf" in page
    assert "valves.pdf" in page
    assert "bolts.pdf" not in page


def test_events_from_before_names_were_kept_get_them():
    user = factories.user(username="xenia")
    AuditEvent.objects.bulk_create(AuditEvent(user=user, action="a", subject="s") for _ in range(7))
    AuditEvent.objects.create(user=user, actor_name="as it was", action="named", subject="s")
    AuditEvent.objects.create(action="by nobody", subject="s")
    migration = import_module("accounts.migrations.0004_fill_actor_names")
    migration.BATCH = 3
    migration.fill(apps, SimpleNamespace(connection=connection))
    names = AuditEvent.objects.values_list("action", "actor_name").distinct().order_by("action")
    assert list(names) == [("a", "xenia"), ("by nobody", ""), ("named", "as it was")]


# --- what -----------------------------------------------------------------------------------------


def test_a_changed_price_is_recorded_with_both_values(admin):
    endpoint = factories.chat_endpoint(base_url="http://127.0.0.1:9/v1", input_price=3)
    page = reverse("admin:models_registry_endpoint_change", args=[endpoint.pk])
    form = admin.get(page).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    filled = {name: value for name, value in values.items() if value is not None and value is not False}
    reply = admin.post(page, filled | {"input_price": "30", "option_base_url": "http://127.0.0.1:9/v2"})
    assert reply.status_code == 302, reply.context["adminform"].form.errors
    assert change_of("endpoint.change") == {
        "input_price": {"old": "3", "new": "30"},
        "base_url": {"old": "http://127.0.0.1:9/v1", "new": "http://127.0.0.1:9/v2"},
    }
    assert "input_price: 3 → 30" in admin.get(LOG).content.decode()


def test_endpoints_deleted_together_are_each_recorded(admin):
    rows = [factories.chat_endpoint() for _ in range(2)]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    admin.post(reverse("admin:models_registry_endpoint_changelist"), chosen)
    assert not Endpoint.objects.exists()
    assert AuditEvent.objects.filter(action="endpoint.delete").count() == 2


def test_changed_rights_of_a_user_are_recorded_with_both_values_and_without_passwords(admin):
    add = {
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    rows: dict[str, object] = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    admin.post(reverse("admin:accounts_user_add"), {"username": "ada", **add, **rows})
    assert change_of("user.add")["username"] == {"old": None, "new": "ada"}
    user = User.objects.get(username="ada")
    workspace = factories.workspace(name="Pumps")
    member = Membership.objects.create(workspace=workspace, user=user)
    rows = {
        "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1", "memberships-0-id": member.pk,
        "memberships-0-user": user.pk, "memberships-0-workspace": workspace.pk, "memberships-0-role": "editor",
    }  # fmt: skip
    admin.post(
        reverse("admin:accounts_user_change", args=[user.pk]),
        {"username": "ada", "is_superuser": "on", **rows},
    )
    assert change_of("user.change") == {
        "is_active": {"old": True, "new": False},
        "is_superuser": {"old": False, "new": True},
    }
    assert change_of("member.change") == {"role": {"old": "viewer", "new": "editor"}}
    assert "correct horse" not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_a_renamed_and_a_deleted_key_are_recorded(admin):
    key, _ = issue(factories.user(username="ada"), "before")
    admin.post(reverse("admin:accounts_apikey_change", args=[key.pk]), {"name": "after"})
    assert change_of("api_key.change") == {"name": {"old": "before", "new": "after"}}
    admin.post(reverse("admin:accounts_apikey_delete", args=[key.pk]), {"post": "yes"})
    assert "after" in AuditEvent.objects.get(action="api_key.delete").subject


def test_settings_changed_over_rest_are_recorded_with_both_values(api):
    workspace = factories.workspace(name="Pumps")
    manager = api(factories.member(workspace, Role.MANAGER))
    manager("PATCH", f"workspaces/{workspace.pk}", {"name": "Valves", "description": "All of them"})
    assert change_of("workspace.change") == {
        "name": {"old": "Pumps", "new": "Valves"},
        "description": {"old": "", "new": "All of them"},
    }


def test_options_of_a_website_are_recorded_with_both_values(api):
    workspace = factories.workspace()
    editor = api(factories.member(workspace, Role.EDITOR))
    site = add_website(workspace, editor.user, "https://example.com/")
    AuditEvent.objects.all().delete()
    assert (
        editor("PATCH", f"workspaces/{workspace.pk}/sources/{site.pk}", {"schedule": "daily"}).status_code
        == 200
    )
    assert change_of("document.options") == {"schedule": {"old": "never", "new": "daily"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hunter2"),
        ("smtp_password", "hunter2"),
        ("api_key", "hunter2"),
        ("client_secret", "hunter2"),
        ("headers", {"Authorization": "Bearer hunter2"}),
        ("headers", [{"x-api-key": "hunter2"}]),
        ("url", "https://ada:hunter2@models.example.com/v1"),
        ("url", "https://hunter2@models.example.com/v1"),
        ("url", "https://models.example.com/v1?deployment=1&api_key=hunter2"),
    ],
)
def test_secrets_are_never_recorded(name, value):
    change = differences({name: None}, {name: value})
    assert "hunter2" not in str(change)
    assert HIDDEN in str(change)


def test_limits_with_tokens_in_their_name_and_references_are_no_secrets():
    after = {"max_tokens": 5, "tokenizer": "vllm", "secret_ref": "env:OPENAI_API_KEY", "monkey": "x"}
    assert {name: each["new"] for name, each in differences({}, after).items()} == after


def test_long_values_are_cut():
    change = differences({"note": "x" * 5000}, {"note": ["y" * 5000] * 500})
    assert len(change["note"]["old"]) == MAX_CHARACTERS
    assert len(str(change)) < 15_000


# --- after years ------------------------------------------------------------------------------------


@pytest.fixture
def years():
    """More events than the list counts, and one old one."""
    then = timezone.now() - timedelta(days=400)
    events = [
        AuditEvent(actor_name="ada", action="document.add", subject=f"{n}.pdf") for n in range(MOST + 5)
    ]
    AuditEvent.objects.bulk_create(events, batch_size=5000)
    old = AuditEvent.objects.create(actor_name="bob", action="workspace.delete", subject="Old pumps")
    AuditEvent.objects.filter(pk=old.pk).update(at=then)


def queries_of(client, **query):
    with CaptureQueriesContext(connection) as seen:
        page = client.get(LOG, query)
    return page, [each["sql"] for each in seen if "accounts_auditevent" in each["sql"]]


def test_no_page_of_the_log_counts_all_events_of_years(admin, years):
    page, queries = queries_of(admin, q="ada")
    assert page.context["cl"].result_count == MOST
    assert "The list ends after 10,000 rows" in page.content.decode()
    counts = [query for query in queries if "COUNT(" in query]
    assert counts
    assert all(f"LIMIT {MOST}" in query for query in counts)
    assert not any("DISTINCT" in query for query in queries)


def test_an_event_of_years_ago_is_found_by_words_and_by_its_action(admin, years):
    for query in ({"q": "pumps"}, {"q": "bob"}, {"action": "workspace.delete"}):
        page, _ = queries_of(admin, **query)
        assert [each.subject for each in page.context["cl"].result_list] == ["Old pumps"]


def test_the_actions_to_choose_from_are_read_from_the_index(admin, years):
    page, queries = queries_of(admin)
    [actions] = [each for each in page.context["cl"].filter_specs if each.title == "action"]
    assert list(actions.lookup_choices) == ["document.add", "workspace.delete"]
    [query] = [query for query in queries if "RECURSIVE" in query]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_auditevent")
        cursor.execute(f"EXPLAIN {query}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "events_of_action" in plan
    assert "Seq Scan" not in plan
