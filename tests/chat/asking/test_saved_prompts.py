"""Prompts are inserted by their name: one's own, and those of a workspace, which its managers write."""

import pytest
from django.http import Http404
from django.urls import reverse

from accounts.models import AuditEvent
from chat.asking import saved_prompts
from chat.asking.saved_prompts import delete_prompt, save_prompt
from chat.errors import QuestionRefused
from chat.models import SavedPrompt
from tests import factories
from workspaces.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    ada = factories.user(username="ada")
    client.force_login(ada)
    return ada


@pytest.fixture
def handbook(ada):
    handbook = factories.workspace(name="Handbook")
    handbook.memberships.create(user=ada, role=Role.MANAGER)
    return handbook


def offered(client, workspace=None):
    address = reverse("complete-prompt")
    reply = client.get(address, {"workspace": str(workspace.pk)} if workspace else {})
    return [each["label"] for each in reply.json()["items"]]


def test_ones_own_and_those_of_the_chosen_workspace_are_offered(client, ada, handbook):
    other = factories.workspace()
    save_prompt(factories.operator(), "elsewhere", "Of a workspace that Ada is not in", other.pk)
    save_prompt(factories.user(), "theirs", "Of another user")
    save_prompt(ada, "/Report", "Write a report.")
    save_prompt(ada, "of-all", "For everyone", handbook.pk)
    assert offered(client) == ["/report"]
    assert offered(client, handbook) == ["/of-all", "/report"]
    assert offered(client, other) == ["/report"]


def test_a_prompt_is_created_changed_and_deleted_on_the_page(client, ada, handbook):
    client.post(reverse("prompts"), {"name": "report", "text": "One\r\ntwo {{place}}", "workspace": ""})
    prompt = SavedPrompt.objects.get()
    assert (prompt.owner, prompt.workspace, prompt.text) == (ada, None, "One\ntwo {{place}}")
    page = client.get(reverse("prompt", args=[prompt.pk])).content.decode()
    assert "Change /report" in page
    client.post(
        reverse("prompt", args=[prompt.pk]),
        {"name": "all", "text": "Now for all", "workspace": str(handbook.pk)},
    )
    prompt.refresh_from_db()
    assert (prompt.owner, prompt.workspace, prompt.name) == (None, handbook, "all")
    client.post(reverse("prompt-delete", args=[prompt.pk]))
    assert not SavedPrompt.objects.exists()
    told = AuditEvent.objects.filter(action__startswith="prompt.").order_by("at")
    assert [each.action for each in told] == ["prompt.save", "prompt.delete"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("", "Text", "1 to 40 letters"),
        ("two words", "Text", "1 to 40 letters"),
        ("a/b", "Text", "1 to 40 letters"),
        ("x" * 41, "Text", "1 to 40 letters"),
        ("ok", " ", "Write the text"),
        ("ok", "x" * 8001, "the limit is 8,000"),
    ],
)
def test_what_is_refused_says_why_and_is_kept_in_the_form(client, ada, name, text, sentence):
    response = client.post(reverse("prompts"), {"name": name, "text": text})
    page = response.content.decode()
    assert response.status_code == 400
    assert sentence in page
    assert text.strip() in page
    assert not SavedPrompt.objects.exists()


def test_a_name_is_used_once(ada):
    save_prompt(ada, "report", "One")
    with pytest.raises(QuestionRefused, match="already a prompt /report"):
        save_prompt(ada, "Report", "Two")
    save_prompt(factories.user(), "report", "Of another user")


def test_there_are_not_too_many(ada, monkeypatch):
    monkeypatch.setattr(saved_prompts, "MAX_PROMPTS", 1)
    prompt = save_prompt(ada, "one", "One")
    with pytest.raises(QuestionRefused, match="delete one"):
        save_prompt(ada, "two", "Two")
    save_prompt(ada, "one", "Changed", prompt_id=prompt.pk)


def test_only_managers_write_the_prompts_of_a_workspace(ada, handbook):
    prompt = save_prompt(ada, "of-all", "For everyone", handbook.pk)
    handbook.memberships.update(role=Role.EDITOR)
    for forbidden in (
        lambda: save_prompt(ada, "another", "Text", handbook.pk),
        lambda: save_prompt(ada, "of-all", "Mine", None, prompt.pk),
        lambda: delete_prompt(ada, prompt.pk),
    ):
        with pytest.raises(Http404):
            forbidden()
    prompt.refresh_from_db()
    assert prompt.text == "For everyone"


def test_documents_are_completed_by_title_up_to_ones_level(client, ada, handbook):
    type(handbook).objects.filter(pk=handbook.pk).update(access_levels=["open", "secret"])
    handbook.memberships.update(role=Role.VIEWER, access_level=0)
    for title, level in (("Club rules.pdf", 0), ("Old club rules.pdf", 0), ("Club secrets.pdf", 1)):
        factories.document(handbook, title=title, access_level=level, chunk_count=1)
    address = reverse("complete-document")
    found = client.get(address, {"workspace": str(handbook.pk), "q": "club"}).json()["items"]
    assert [each["label"] for each in found] == ["Club rules.pdf", "Old club rules.pdf"]
    for workspace in (str(factories.workspace().pk), "", "x"):
        assert client.get(address, {"workspace": workspace, "q": "club"}).status_code == 404
