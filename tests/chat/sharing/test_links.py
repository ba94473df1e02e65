"""Shared links are made, changed, updated, revoked and opened; and what opens nothing cannot be told apart."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from chat.asking.sessions import delete_session, show_branch
from chat.models import Answer, SharedLink, SharingPolicy, Turn
from chat.sharing import reading
from chat.sharing.links import KEPT_AFTER_END, forget_ended_links, update_link
from chat.sharing.tokens import id_of, token_of
from core.rate import Buckets
from tests import factories
from tests.api.conftest import Api

from .conftest import address, client_of, open_as, read_as

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(session):
    return factories.answer(session, "Who are you?", text="I am a model.")


@pytest.fixture
def link(session, answer, share):
    return share(session)


# --- the snapshot ---------------------------------------------------------------------------------


def test_a_link_shows_the_path_as_it_was(session, link, answer):
    factories.answer(session, "And later?", text="Later words.")
    factories.version(answer, text="Another version.")
    page = read_as(factories.user(), link)
    assert "I am a model." in page
    assert not [each for each in ("Later words.", "Another version.", "And later?") if each in page]


def test_a_link_shows_the_branch_that_was_on_the_screen(session, answer, share):
    edited = Turn.objects.create(session=session, message_id="edited", text="Which are you?")
    Answer.objects.create(turn=edited, endpoint_name="m", status="finished", text="The edited branch.")
    first = share(session)
    show_branch(session.owner, session.pk, answer.turn_id)
    second, reader = share(session), factories.user()
    assert "The edited branch." in read_as(reader, first)
    assert "The edited branch." not in read_as(reader, second)
    assert "I am a model." in read_as(reader, second)


def test_an_update_shows_the_conversation_of_now_under_the_same_address(session, link):
    factories.answer(session, "And later?", text="Later words.")
    before = address(link)
    updated = update_link(session.owner, link.pk)
    assert address(updated) == before
    assert "Later words." in read_as(factories.user(), updated)


def test_a_conversation_can_be_shared_up_to_a_question(session, answer, share):
    factories.answer(session, "And later?", text="Later words.")
    assert "Later words." not in read_as(factories.user(), share(session, last_turn=answer.turn_id))


def test_an_answer_in_progress_is_left_out(session, answer, share):
    Answer.objects.create(turn=factories.turn(session, "Not yet?"), endpoint_name="m", text="Half of")
    page = read_as(factories.user(), share(session))
    assert "Not yet?" not in page
    assert "Half of" not in page


def test_without_a_name_a_link_is_called_after_the_first_question(session, answer, share):
    page = read_as(factories.user(), share(session))
    assert '<h1 dir="auto">Who are you?</h1>' in page
    assert session.title not in page, "a title may be a model's, and repeat an answer"


def test_a_long_conversation_comes_in_pages(session, share):
    for number in range(31):
        factories.answer(session, f"Question {number}?", text=f"Answer {number}.")
    link, reader = share(session), client_of(factories.user())
    first, second = (reader.get(f"{address(link)}?page={number}").content.decode() for number in (1, 2))
    assert "Answer 29." in first
    assert "Answer 30." not in first
    assert "Answer 30." in second
    assert "31–31 of 31 questions" in second


# --- what opens nothing ---------------------------------------------------------------------------


def _revoke(link):
    SharedLink.objects.filter(pk=link.pk).delete()


def _end(link):
    SharedLink.objects.filter(pk=link.pk).update(ends_at=timezone.now())


def _delete_session(link):
    delete_session(link.session.owner, link.session_id)


def _begin_to_delete_session(link):
    link.session.user = None
    link.session.save()


def _disable_owner(link):
    link.session.owner.is_active = False
    link.session.owner.save()


def _switch_off(link):
    SharingPolicy.objects.update(is_on=False)


@pytest.mark.parametrize(
    "close", [_revoke, _end, _delete_session, _begin_to_delete_session, _disable_owner, _switch_off]
)
@pytest.mark.parametrize("audience", ["users", "anybody"])
def test_a_link_that_is_closed_is_like_an_unknown_one(session, answer, share, allow_anybody, close, audience):
    allow_anybody()
    link = share(session, audience=audience)
    reader = None if audience == "anybody" else factories.user()
    assert open_as(reader, link).status_code == 200
    close(link)
    for reader in (factories.user(), None):
        closed, unknown = open_as(reader, link), open_as(reader, SharedLink())
        assert closed.status_code == unknown.status_code == 404
        assert _without_csrf(closed) == _without_csrf(unknown)
        assert closed["X-Robots-Tag"] == unknown["X-Robots-Tag"]


def _without_csrf(reply):
    page = reply.content.decode()
    return [line for line in page.splitlines() if "X-CSRFToken" not in line]


@pytest.mark.parametrize("path", ["/shared/x/", "/shared/%00/", "/shared/ü/", "/shared/" + "A" * 43 + "/"])
def test_an_odd_token_is_an_unknown_one(path):
    assert client_of().get(path).status_code == 404


def test_a_token_cannot_be_made_from_an_id(link):
    token = token_of(link.pk)
    assert id_of(token) == link.pk
    assert not [
        place
        for place in range(43)
        if id_of(token[:place] + "-" + token[place + 1 :]) and token[place] != "-"
    ]


def test_trying_tokens_is_limited(link, monkeypatch):
    monkeypatch.setattr(reading, "_guesses", Buckets(per_s=0.001, burst=3))
    statuses = [open_as(None, SharedLink()).status_code for _ in range(5)]
    assert statuses == [404, 404, 404, 429, 429]
    assert int(open_as(None, link)["Retry-After"]) > 1
    assert open_as(factories.user(), link).status_code == 200


def test_without_a_login_a_link_for_users_leads_to_the_login(link):
    reply = open_as(None, link)
    assert reply.status_code == 302
    assert reply.url == f"/login/?next={address(link)}"
    assert reply["X-Robots-Tag"].startswith("noindex")


def test_a_link_for_members_opens_nothing_to_others(session, workspace, member, share):
    factories.answer(session, workspace=workspace, text="Of ours.")
    link = share(session, audience="members")
    assert "Of ours." in read_as(member(0), link)
    assert open_as(factories.user(), link).status_code == 404
    session.turns.update(workspace=None)  # as if the workspace were deleted
    assert "Of ours." in read_as(member(0), link)
    workspace.memberships.all().delete()
    assert open_as(factories.user(), link).status_code == 404


# --- what is refused ------------------------------------------------------------------------------


@pytest.fixture
def api(owner):
    return Api(owner)


def refusal(api, session, **settings):
    reply = api("POST", f"sessions/{session.pk}/shared-links", settings)
    assert reply.status_code == 400
    return str(reply.json())


def test_a_link_for_anybody_needs_an_operator(session, answer, api):
    assert "an operator can allow them" in refusal(api, session, audience="anybody")


def test_a_link_for_anybody_needs_open_documents(session, workspace, api, allow_anybody):
    allow_anybody()
    passages = [{"document": factories.document(workspace)}]
    factories.answer(session, workspace=workspace, text="So [1].", passages=passages)
    sentence = "1 of 1 answers rest on documents that are not open to anybody"
    assert sentence in refusal(api, session, audience="anybody")


def test_an_update_does_not_open_what_is_closed(session, answer, workspace, api, share, allow_anybody):
    allow_anybody()
    link = share(session, audience="anybody")
    passages = [{"document": factories.document(workspace)}]
    factories.answer(session, workspace=workspace, text="A secret [1].", passages=passages)
    assert api("PUT", f"shared-links/{link.pk}/snapshot", {}).status_code == 400
    assert "A secret" not in read_as(None, link)


def test_a_life_longer_than_an_operator_allows_is_refused(session, answer, api):
    SharingPolicy.objects.create(pk=1, most_days=7)
    late = (timezone.now() + timedelta(days=9)).isoformat()
    assert "A link can live 7 days at most" in refusal(api, session, endsAt=late)
    assert "in the past" in refusal(api, session, endsAt="2020-01-01T00:00:00Z")
    made = api("POST", f"sessions/{session.pk}/shared-links", {}).json()
    assert made["endsAt"] < late


def test_a_session_without_an_answer_cannot_be_shared(session, api):
    assert "There is no answer to share yet" in refusal(api, session)


def test_a_session_without_a_workspace_has_no_members(session, answer, api):
    assert "it has no members" in refusal(api, session, audience="members")


def test_sharing_that_is_switched_off_makes_no_links(session, answer, api):
    SharingPolicy.objects.create(pk=1, is_on=False)
    assert "switched off sharing" in refusal(api, session)


# --- REST, pages, admin ---------------------------------------------------------------------------


def test_a_program_makes_changes_updates_and_revokes_a_link(session, answer, api):
    made = api("POST", f"sessions/{session.pk}/shared-links", {"name": "Ours", "namesOwner": True})
    assert made.status_code == 201
    link = made.json()
    assert client_of(factories.user()).get(link["address"]).status_code == 200
    place = f"shared-links/{link['id']}"
    assert api("GET", "shared-links").json()["results"] == [link]
    assert api("PATCH", place, {"name": "Theirs"}).json() == link | {"name": "Theirs"}
    assert api("PUT", f"{place}/snapshot", {}).json()["takenAt"] > link["takenAt"]
    assert api("DELETE", place).status_code == 204
    assert api("GET", place).status_code == 404
    assert client_of(factories.user()).get(link["address"]).status_code == 404
    actions = AuditEvent.objects.filter(action__startswith="share.").order_by("pk")
    assert [each.action for each in actions] == [
        "share.create",
        "share.change",
        "share.update",
        "share.revoke",
    ]
    assert "Ours" not in str(list(actions.values())), "the name is private text"


def test_the_pages_do_the_same(session, answer, owner):
    pages = client_of(owner)
    pages.post(f"/chat/{session.pk}/share/", {"name": "Ours", "audience": "users", "ends_on": "2999-01-01"})
    assert not SharedLink.objects.exists(), "an end that is too late is refused"
    pages.post(f"/chat/{session.pk}/share/", {"name": "Ours", "audience": "users"})
    link = SharedLink.objects.get()
    for place in (f"/chat/{session.pk}/share/", "/shared-links/"):
        page = pages.get(place).content.decode()
        assert "Ours" in page
        assert address(link) in page
    pages.post(f"/shared-links/{link.pk}/", {"name": "Theirs", "audience": "users", "names_owner": "on"})
    link.refresh_from_db()
    assert (link.name, link.names_owner) == ("Theirs", True)
    pages.post(f"/shared-links/{link.pk}/update/")
    pages.post(f"/shared-links/{link.pk}/revoke/")
    assert not SharedLink.objects.exists()


def test_a_change_that_is_refused_says_why(link, owner):
    reply = client_of(owner).post(f"/shared-links/{link.pk}/", {"ends_on": "2020-01-01"})
    assert (reply.status_code, reply.content.decode()[:19]) == (400, "The end is in the p")


def test_operators_see_and_revoke_all_links_but_read_no_names(session, answer, share):
    link = share(session, name="Private words")
    pages = client_of(factories.operator())
    listed = pages.get("/admin/chat/sharedlink/").content.decode()
    assert "grace" in listed
    assert "Private words" not in listed
    assert token_of(link.pk) not in listed
    pages.post("/admin/chat/sharedlink/", {"action": "revoke", "_selected_action": [str(link.pk)]})
    assert not SharedLink.objects.exists()
    assert AuditEvent.objects.get(action="share.revoke").user.is_operator


def test_operators_change_what_is_allowed(workspace):
    pages = client_of(factories.operator())
    place = pages.get("/admin/chat/sharingpolicy/").url
    said = {"is_on": "on", "most_days": "7", "allows_anybody": "on", "open_workspaces": [str(workspace.pk)]}
    assert pages.post(place, said).status_code == 302
    policy = SharingPolicy.objects.get()
    assert (policy.most_days, policy.allows_anybody, policy.open_workspaces.get()) == (7, True, workspace)
    assert AuditEvent.objects.get(action="share.settings").detail["changes"]["most_days"]["new"] == 7


def test_links_that_ended_long_ago_are_deleted(link, session, share):
    SharedLink.objects.filter(pk=link.pk).update(ends_at=timezone.now() - KEPT_AFTER_END)
    other = share(session)
    assert list(forget_ended_links())
    assert SharedLink.objects.get() == other


def test_a_page_costs_the_same_however_many_turns_it_has(
    session, answer, share, django_assert_max_num_queries
):
    for number in range(20):
        factories.answer(session, f"Question {number}?", text=f"Answer {number}.")
    link, client = share(session), client_of(factories.user())
    with django_assert_max_num_queries(14):
        client.get(address(link))
