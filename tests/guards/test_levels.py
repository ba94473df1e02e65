"""A document above somebody's access level is not there for them: at no address, in no list, in no old answer.

The addresses are read from the URL resolver, so a new one is tested without being mentioned here.
"""

import json

import pytest
from django.test import Client

from documents.access import documents_for, hidden_from
from documents.fields.metadata import MetadataChange, parse_change, update_metadata
from documents.models import Document, Upload
from tests import factories
from workspaces.access_levels import name_levels
from workspaces.engines import NewChunk, engine_for
from workspaces.errors import InvalidValue
from workspaces.models import Field, Membership, Role, Workspace

from .world import METHODS, World, addresses

pytestmark = pytest.mark.django_db

OF_A_DOCUMENT = [
    address for address in addresses() if "document_id" in address.arguments and not address.is_admin
]
OF_A_WORKSPACE = [address for address in addresses() if address.arguments == ("workspace_id",)]
OF_NOTHING = [
    address
    for address in addresses()
    if not address.arguments and not address.is_admin and not address.name.startswith(("logout", "oidc"))
]
TITLE, TEXT = "salaries of the board.txt", "everybody earns ninety"


@pytest.fixture
def world():
    found = World()
    name_levels(found.workspace, None, ["everyone", "staff", "board"])
    found.workspace.description = ""
    Document.objects.filter(pk=found.document.pk).update(title=TITLE, access_level=2, chunk_count=1)
    found.document.sections.update(text=TEXT)
    return found


def member(world, role, level=1):
    user = factories.member(world.workspace, role)
    Membership.objects.filter(user=user).update(access_level=level)
    return user


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def said(response):
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode("utf-8", "replace")


def state():
    kinds = (Workspace, Document, Upload, Membership, Field)
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
@pytest.mark.parametrize("method", METHODS)
def test_no_address_of_the_document_answers(world, method, role):
    client, before = client_of(member(world, role)), state()
    for address in OF_A_DOCUMENT:
        response = client.generic(method, world.path(address), content_type="application/json")
        assert response.status_code in (403, 404, 405), (address.name, response.status_code)
        assert TITLE not in said(response), address.name
    assert state() == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_every_address_of_the_document_is_found_by_whoever_may_see_it(world, role):
    """So that the other test cannot pass because of a wrong address."""
    client = client_of(member(world, role, level=2))
    names = {"document", "document-download", "api-document"}
    replies = {each.name: client.get(world.path(each)) for each in OF_A_DOCUMENT}
    found = {name for name, reply in replies.items() if said(reply) and reply.status_code == 200}
    assert names <= found


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_no_page_or_list_names_the_document(world, role):
    low, high = client_of(member(world, role)), client_of(member(world, role, level=2))
    named = set()
    for address in OF_A_WORKSPACE + OF_NOTHING:
        for query in ("", "?q=salaries", "?filters={}", "?status=attention"):
            path = world.path(address) + query
            shown = said(low.get(path))
            assert not [each for each in (TITLE, TEXT) if each in shown], path
            named |= {address.name} if TITLE in said(high.get(path)) else set()
    assert {"workspace", "api-documents"} <= named


def test_what_is_done_to_all_that_failed_leaves_it_alone(world):
    Document.objects.filter(pk=world.document.pk).update(status=Document.Status.FAILED)
    client, before = client_of(member(world, Role.EDITOR)), state()
    place = f"/workspaces/{world.workspace.pk}/documents/"
    for action in ("replay/", "retry/", "delete/", "describe/"):
        client.post(place + action, {"all": "yes", "document": str(world.document.pk), "m.department": "hr"})
    api = f"/api/v1/workspaces/{world.workspace.pk}/dead-letters"
    for action in ("replay", "discard"):
        for body in ({"all": True}, {"ids": [str(world.document.pk)]}):
            client.post(f"{api}/{action}", body, content_type="application/json")
    assert state() == before


def test_counts_tell_nothing_of_it(world):
    low, high = client_of(member(world, Role.VIEWER)), client_of(member(world, Role.VIEWER, level=2))
    api = f"/api/v1/workspaces/{world.workspace.pk}"
    assert low.get(api).json()["documentCount"] == 0
    assert low.get(f"{api}/documents").json()["count"] == 0
    assert high.get(api).json()["documentCount"] == high.get(f"{api}/documents").json()["count"] == 1
    assert "Empty" in said(low.get("/workspaces/"))
    assert "Empty" not in said(high.get("/workspaces/"))


def test_an_old_answer_does_not_open_its_passages_any_more(world):
    user = member(world, Role.VIEWER, level=2)
    passage = {"document": world.document, "document_title": TITLE, "text": TEXT, "end": len(TEXT)}
    session = factories.session(user)
    answer = factories.answer(session, workspace=world.workspace, text="So [1].", passages=[passage])
    answer.trace = {"question": "q", "prompt": [{"role": "user", "text": TEXT}], "prompt_tokens": 3}
    answer.save()
    values = {"answer_id": answer.pk, "session_id": session.pk, "number": 1}
    paths = [
        address.path(values)
        for address in addresses()
        if address.arguments and set(address.arguments) <= values.keys() and not address.is_admin
    ]
    client = client_of(user)
    assert any(TEXT in said(client.get(path)) for path in paths)
    Membership.objects.filter(user=user).update(access_level=1)
    for end in (lambda: None, world.document.delete):  # and nobody knows its level any more
        end()
        for path in paths:
            shown = said(client.get(path))
            assert not [each for each in (TITLE, TEXT) if each in shown], path
        assert client.get(f"/answers/{answer.pk}/passages/1/").status_code == 404
        assert "This answer is withheld" in said(client.get(f"/answers/{answer.pk}/"))
        assert client.get(f"/api/v1/answers/{answer.pk}/events").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_search_finds_nothing_of_it(world):
    engine, text = engine_for(world.workspace), "salaries"
    engine.stage(world.document.pk, [NewChunk(0, text, b"1", 0, 0, len(text))], [[1, 0, 0]])
    engine.publish(world.document.pk, 1)
    update_metadata(world.workspace, None, [world.document.pk], MetadataChange(access_level=2))
    for level, found in ((1, 0), (2, 1)):
        body = json.dumps({"workspaceId": str(world.workspace.pk), "query": text})
        client = client_of(member(world, Role.VIEWER, level))
        reply = client.post("/api/v1/semantic-search", body, content_type="application/json")
        assert len(reply.json()["passages"]) == found
        page = said(client.get(f"/workspaces/{world.workspace.pk}/search/?q={text}"))
        assert (TITLE in page) == bool(found)


def test_managers_and_operators_see_all_and_strangers_nothing(world):
    for user in (world.manager, factories.operator()):
        assert documents_for(user, world.workspace).get() == world.document
        assert not hidden_from(user)
    assert not documents_for(world.stranger, world.workspace)
    assert hidden_from(world.stranger).get() == world.document


def test_nobody_hides_a_document_from_themselves(world):
    editor = member(world, Role.EDITOR)
    with pytest.raises(InvalidValue, match=r"0 \(everyone\), 1 \(staff\)"):
        parse_change(world.workspace, editor, access_level=2)
    assert parse_change(world.workspace, editor, access_level="staff").access_level == 1
