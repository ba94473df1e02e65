"""Folders, tags and the archive, through the page and the REST API."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import Folder, Session, Tag
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user()


@pytest.fixture
def browser(ada: User) -> Client:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(ada)
    return client


@pytest.fixture
def api(browser: Client) -> Callable[..., Any]:
    def call(method: str, path: str, data: Any = None) -> Any:
        content = {"data": data, "content_type": "application/json"} if data is not None else {}
        return getattr(browser, method.lower())(f"/api/v1/{path}", **content)

    return call


def shown(browser: Client, query: str = "", page: str = "") -> str:
    is_part = {"HX-Request": "true" if not page else "false"}
    return unescape(browser.get(page or f"{reverse('sessions')}{query}", headers=is_part).content.decode())


def listed(html: str) -> list[str]:
    """Return the headings, folders and sessions of the list in order."""
    names = r'<h2>([^<]*)</h2>|class="folder-name"[^>]*>([^<]*)<|\stitle="([^"]*)">'
    return ["".join(each) for each in re.findall(names, html)]


def organize(browser: Client, session: Session, **fields: Any) -> Any:
    return browser.post(reverse("session-organize", args=[session.pk]), fields)


def test_a_session_moves_into_a_new_folder_and_out_of_it_again(browser: Client, ada: User) -> None:
    session = factories.session(ada, title="Pumps")
    assert organize(browser, session, new_folder="  Plant\n7 ").status_code == 204
    folder = ada.folders.get()
    assert folder.name == "Plant 7"
    assert listed(shown(browser)) == ["Plant 7"], "its sessions are folded away"
    assert listed(shown(browser, f"?folder={folder.pk}")) == ["Pumps"]
    assert organize(browser, session, folder="").status_code == 204
    assert listed(shown(browser)) == ["Plant 7", "Today", "Pumps"]


def test_folders_that_were_open_and_the_one_of_the_session_on_the_page_are_open(
    browser: Client, ada: User
) -> None:
    sessions = []
    for position, name in enumerate(("One", "Two", "Three")):
        folder = ada.folders.create(name=name, position=position)
        sessions.append(factories.session(ada, title=f"in {name}", folder=folder))
    browser.cookies["folders"] = f"{sessions[1].folder_id}.nonsense"
    assert listed(shown(browser)) == ["One", "Two", "in Two", "Three"]
    page = shown(browser, page=reverse("session", args=[sessions[2].pk]))
    assert [each for each in listed(page) if each.startswith("in ")] == ["in Two", "in Three"]


def test_folders_stand_in_the_order_of_their_user(browser: Client, ada: User) -> None:
    folders = [ada.folders.create(name=name, position=at) for at, name in enumerate("ABC")]

    def move(number: int, action: str) -> list[str]:
        browser.post(reverse("session-folder", args=[folders[number].pk]), {"action": action})
        return listed(shown(browser))

    assert move(2, "up") == ["A", "C", "B"]
    assert move(2, "up") == ["C", "A", "B"]
    assert move(2, "up") == ["C", "A", "B"]
    assert move(0, "down") == ["C", "B", "A"]
    assert move(0, "down") == ["C", "B", "A"]


def test_a_deleted_folder_leaves_its_sessions_and_the_dialog_counts_them(browser: Client, ada: User) -> None:
    folder = ada.folders.create(name="Plant", position=0)
    kept = [factories.session(ada, title=each, folder=folder) for each in ("a", "b")]
    archived = factories.session(ada, title="old", folder=folder, is_archived=True)
    address = reverse("session-folder", args=[folder.pk])
    assert "2 in the list and 1 in the archive" in shown(browser, page=address)
    assert browser.post(address, {"action": "delete"}).status_code == 204
    assert not Folder.objects.exists()
    assert set(Session.objects.filter(folder=None)) == {*kept, archived}
    assert listed(shown(browser)) == ["Today", "b", "a"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Give the folder a name."),
        ("x" * 61, "The name of the folder has 61 characters; the limit is 60. Shorten it."),
        ("PLANT", "You have a folder “PLANT” already. Choose another name."),
    ],
)
def test_a_name_that_is_not_valid_is_refused_and_nothing_changes(
    browser: Client, api: Callable[..., Any], ada: User, name: str, sentence: str
) -> None:
    ada.folders.create(name="Plant", position=0)
    folder = ada.folders.create(name="Other", position=1)
    reply = browser.post(reverse("session-folder", args=[folder.pk]), {"name": name})
    assert (reply.status_code, reply.content.decode()) == (400, sentence)
    if name:
        session = factories.session(ada)
        reply = organize(browser, session, new_folder=name, tags="kept, if all is valid")
        assert (reply.status_code, reply.content.decode()) == (400, sentence)
        assert not session.tags.exists()
        assert api("POST", "folders", {"name": name}).status_code == 400
    assert set(ada.folders.values_list("name", flat=True)) == {"Plant", "Other"}


def test_nothing_of_another_user_can_be_used(browser: Client, api: Callable[..., Any], ada: User) -> None:
    other = factories.user()
    theirs = other.folders.create(name="Theirs", position=0)
    session = factories.session(ada)
    assert organize(browser, session, folder=theirs.pk).status_code == 404
    assert api("PATCH", f"sessions/{session.pk}", {"folderId": str(theirs.pk)}).status_code == 404
    assert browser.post(reverse("session-folder", args=[theirs.pk]), {"action": "delete"}).status_code == 404
    assert browser.get(f"{reverse('sessions')}?folder={theirs.pk}").status_code == 404
    factories.session(other).tags.create(user=other, name="theirs")
    assert "theirs" not in shown(browser, page=reverse("chat"))
    assert "Theirs" not in shown(browser, page=reverse("session-organize", args=[session.pk]))


def test_sessions_are_listed_and_searched_by_tag(browser: Client, ada: User) -> None:
    pumps, valves = (factories.session(ada, title=f"About {each}") for each in ("pumps", "valves"))
    assert organize(browser, pumps, tags="#Plant 7, urgent,, PLANT 7, <b>bold</b>").status_code == 204
    assert pumps.tag_names == ["<b>bold</b>", "PLANT 7", "urgent"]
    organize(browser, valves, tags="Urgent", new_folder="Folded")
    assert Tag.objects.count() == 3
    assert listed(shown(browser, "?tag=plant 7")) == ["Today", "About pumps"]
    assert listed(shown(browser, "?tag=urgent")) == ["Today", "About valves", "About pumps"]
    assert "valves" not in shown(browser, "?q=about&tag=plant 7")
    page = browser.get(reverse("chat"), headers={"HX-Request": "false"}).content.decode()
    assert "urgent (2)" in page
    assert "&lt;b&gt;bold&lt;/b&gt; (1)" in page
    organize(browser, pumps, tags="")
    assert set(Tag.objects.values_list("name", flat=True)) == {"urgent"}, "the others are gone"


def test_a_session_has_at_most_twenty_tags(browser: Client, ada: User) -> None:
    session = factories.session(ada)
    assert organize(browser, session, tags=", ".join(map(str, range(20)))).status_code == 204
    reply = organize(browser, session, tags=", ".join(map(str, range(21))))
    assert reply.content.decode() == "A session can have 20 tags. Remove some."
    assert session.tags.count() == 20
    assert organize(browser, session, tags="x" * 41).status_code == 400


def test_an_archived_session_leaves_the_list_but_is_found_and_comes_back(browser: Client, ada: User) -> None:
    session = factories.session(ada, title="Old pumps", is_pinned=True)
    factories.session(ada, title="New")
    address = reverse("session-archive", args=[session.pk])
    assert browser.post(address).status_code == 204
    assert listed(shown(browser)) == ["Today", "New"]
    assert "Archived (1)" in shown(browser)
    assert listed(shown(browser, "?view=archived")) == ["Archived", "Old pumps"]
    assert "Archived</span>" in shown(browser, "?q=pumps")
    page = shown(browser, page=reverse("session", args=[session.pk]))
    assert "This session is archived." in page
    browser.post(address)
    assert listed(shown(browser)) == ["Today", "New", "Old pumps"], "it is not pinned any more"
    assert "Archived (" not in shown(browser)


def test_a_change_shows_the_same_part_of_the_list_again(browser: Client, ada: User) -> None:
    session = factories.session(ada, title="Tagged")
    factories.session(ada, title="Other")
    organize(browser, session, tags="one")
    reply = browser.post(f"{reverse('session-pin', args=[session.pk])}?tag=one")
    assert listed(reply.content.decode()) == ["Pinned", "Tagged"]


def test_programs_put_sessions_in_order(api: Callable[..., Any], ada: User) -> None:
    folder = api("POST", "folders", {"name": "Plant"}).json()
    assert folder == {"id": folder["id"], "name": "Plant", "sessionCount": 0, "archivedCount": 0}
    created = api("POST", "sessions", {"title": "Pumps", "folderId": folder["id"], "tags": ["b", "a"]})
    assert created.status_code == 201
    session = created.json()
    assert (session["folderId"], session["tags"], session["isArchived"]) == (folder["id"], ["a", "b"], False)
    api("POST", "sessions", {"title": "Other"})
    changed = api(
        "PATCH", f"sessions/{session['id']}", {"isArchived": True, "title": "Old pumps", "tags": ["c"]}
    )
    assert changed.status_code == 200
    assert (changed.json()["title"], changed.json()["tags"]) == ("Old pumps", ["c"])

    def titles(query: str) -> list[str]:
        return [each["title"] for each in api("GET", f"sessions?{query}").json()["results"]]

    assert titles("archived=false") == titles("folder=none") == ["Other"]
    assert titles("archived=true") == titles("tag=C") == titles(f"folder={folder['id']}") == ["Old pumps"]
    assert titles("") == ["Other", "Old pumps"]
    assert api("GET", "folders").json()[0]["archivedCount"] == 1
    assert api("GET", "sessions?archived=maybe").status_code == 400
    assert api("GET", "sessions?folder=maybe").status_code == 400
    assert api("PATCH", f"folders/{folder['id']}", {"name": "Plant 8"}).json()["name"] == "Plant 8"
    assert api("DELETE", f"folders/{folder['id']}").status_code == 204
    assert api("GET", f"sessions/{session['id']}").json()["folderId"] is None


def test_programs_search_conversations(api: Callable[..., Any], ada: User) -> None:
    answer = factories.answer(factories.session(ada, title="Pumps"), text="Close the valve.")
    reply = api("GET", "sessions/search?q=vavle").json()
    assert reply["isComplete"]
    assert not reply["hasMore"]
    [found] = reply["sessions"]
    assert (found["session"]["title"], found["turnId"]) == ("Pumps", str(answer.turn_id))
    assert found["snippet"] == [
        {"text": "Close the ", "isMatch": False},
        {"text": "valve", "isMatch": True},
        {"text": ".", "isMatch": False},
    ]
    for query in ("", "q=%20", "q=a&offset=-1"):
        assert api("GET", f"sessions/search?{query}").status_code == 400
