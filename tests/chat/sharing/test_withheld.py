"""Each reader of a shared link sees what their own rights allow, at each opening."""

from datetime import timedelta

import pytest

from chat.models import Answer, Session, SharedLink
from tests import factories
from workspaces.models import Membership

from .conftest import address, client_of, open_as, read_as

pytestmark = pytest.mark.django_db

OPEN, SECRET = "The canteen opens at eight.", "The merger is planned for May."
TITLE = "board-minutes.txt"


@pytest.fixture
def open_answer(session, workspace):
    document = factories.document(workspace, title="canteen.txt")
    passages = [{"document": document, "document_title": "canteen.txt", "text": OPEN}]
    return factories.answer(
        session, "When do we eat?", workspace=workspace, text=f"{OPEN} [1]", passages=passages
    )


@pytest.fixture
def secret_answer(session, workspace, open_answer):
    document = factories.document(workspace, title=TITLE, access_level=2)
    passages = [{"document": document, "document_title": TITLE, "text": SECRET}]
    return factories.answer(
        session, "What is planned?", workspace=workspace, text=f"{SECRET} [1]", passages=passages
    )


@pytest.fixture
def later_answer(session, open_answer, secret_answer):
    """An answer without documents, whose prompt held the earlier ones."""
    read = [[str(each.turn_id), str(each.pk)] for each in (open_answer, secret_answer)]
    return factories.answer(
        session, "So May it is?", text="Yes: the merger is in May.", trace={"history": read, "summary": ""}
    )


def test_the_readers_level_decides_of_words_and_passages(session, member, secret_answer, share):
    link = share(session)
    high, low = read_as(member(2), link), read_as(member(0), link)
    assert all(each in high for each in (OPEN, SECRET, TITLE))
    assert "withheld" not in high
    assert OPEN in low
    assert not [each for each in (SECRET, TITLE) if each in low]
    assert "1 answer is withheld: it rests on documents that you may not see" in low
    assert "What is planned?" in low, "the question is the owner's own words"


def test_the_level_counts_at_each_opening(session, member, secret_answer, share):
    link, reader = share(session), member(2)
    assert SECRET in read_as(reader, link)
    Membership.objects.filter(user=reader).update(access_level=1)
    assert SECRET not in read_as(reader, link)
    Membership.objects.filter(user=reader).delete()
    assert OPEN not in read_as(reader, link)


def test_the_owner_reads_their_own_link_with_their_level_of_today(session, owner, secret_answer, share):
    link = share(session)
    Membership.objects.filter(user=owner).update(access_level=0)
    assert SECRET not in read_as(owner, link)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_stranger_sees_nothing_of_a_workspace(session, workspace, secret_answer, share, is_deleted):
    link = share(session)
    if is_deleted:  # then no row says any more where the documents were
        workspace.documents.all().delete()
        session.turns.update(workspace=None)
    page = read_as(factories.user(), link)
    assert not [each for each in (OPEN, SECRET, TITLE, "canteen.txt", workspace.name) if each in page]
    assert "2 answers are withheld" in page


def test_an_answer_that_read_a_withheld_one_is_withheld_with_its_question(
    session, member, later_answer, share
):
    link = share(session)
    low = read_as(member(0), link)
    assert not [each for each in ("merger", "May") if each in low]
    assert "This question is withheld." in low
    assert "So May it is?" in read_as(member(2), link)


@pytest.mark.parametrize("trace", [{"history": [], "summary": "May."}, {"prompt_tokens": 9}])
def test_an_answer_is_withheld_if_it_may_have_read_a_withheld_one(
    session, member, secret_answer, share, trace
):
    """Its prompt had a summary; or an earlier build wrote it, which did not record what was in its prompt."""
    factories.answer(session, "So May it is?", text="Yes: the merger is in May.", trace=trace)
    assert "merger" not in read_as(member(0), share(session))


def test_an_answer_before_the_withheld_one_is_shown(session, member, secret_answer, share):
    earlier = factories.answer(session, "Before?", text="Of long ago.", output_tokens=3)
    Answer.objects.filter(pk=earlier.pk).update(created_at=secret_answer.created_at - timedelta(days=1))
    assert "Of long ago." in read_as(member(0), share(session))


def test_a_failed_answer_to_a_question_that_may_repeat_a_withheld_one(session, member, secret_answer, share):
    factories.answer(session, "The merger in May, really?", status="failed", text="")
    factories.answer(session, "And lunch?", text="At noon.")
    low = read_as(member(0), share(session))
    assert "At noon." in low
    assert "The merger in May, really?" not in low


def test_an_answer_in_another_branch_or_version_counts_if_it_was_read(session, member, secret_answer, share):
    newer = factories.version(secret_answer, text="Nothing.")
    read = [[str(secret_answer.turn_id), str(secret_answer.pk)]]
    factories.answer(session, "So May?", text="In May.", trace={"history": read, "summary": ""})
    low = read_as(member(0), share(session))
    assert newer.text in low
    assert "In May." not in low


def test_only_cited_passages_are_named(session, workspace, member, share):
    documents = [factories.document(workspace, title=title) for title in ("cited.txt", "uncited.txt")]
    passages = [{"document": each, "document_title": each.title} for each in documents]
    factories.answer(session, workspace=workspace, text="So [1].", passages=passages)
    page = read_as(member(0), share(session))
    assert "cited.txt" in page
    assert "uncited.txt" not in page


# --- for anybody ----------------------------------------------------------------------------------


@pytest.fixture
def public(session, open_answer, workspace, share, allow_anybody) -> SharedLink:
    allow_anybody(workspace)
    return share(session, audience="anybody")


def test_anybody_reads_what_rests_on_what_anybody_may_read(public):
    reply = open_as(None, public)
    assert OPEN in reply.content.decode()
    assert "canteen.txt" in reply.content.decode()
    assert reply["X-Robots-Tag"].startswith("noindex")
    assert reply["Cache-Control"] == "no-store"
    assert reply["Referrer-Policy"] == "no-referrer"


def test_a_page_for_anybody_tells_nothing_else(public, session, open_answer, workspace):
    open_answer.trace = {"prompt": [{"role": "system", "text": "Be brief."}], "thinking": "Hmm."}
    open_answer.cost, open_answer.endpoint_name = "0.25", "secret-model"
    open_answer.save()
    session.owner.first_name = "Hopper"
    session.owner.save()
    page = read_as(None, public)
    said = ("Be brief.", "Hmm.", "0.25", "secret-model", "grace", "Hopper", workspace.name, session.title)
    assert not [each for each in said if each in page]


def test_the_owner_may_show_their_name(session, open_answer, member, share):
    assert "grace" in read_as(member(0), share(session, names_owner=True))


def test_a_signed_in_stranger_sees_as_much_of_a_public_link_as_anybody(public):
    assert OPEN in read_as(factories.user(), public)


def test_what_is_closed_later_is_withheld_from_anybody(public, open_answer):
    open_answer.passages.get().document.__class__.objects.update(access_level=1)
    page = read_as(None, public)
    assert OPEN not in page
    assert "1 answer is withheld" in page


def test_a_workspace_that_is_not_open_any_more_is_withheld(public, allow_anybody):
    allow_anybody()
    assert OPEN not in read_as(None, public)


# --- continue as mine -----------------------------------------------------------------------------


def copy_as(user, link):
    reply = client_of(user).post(f"{address(link)}continue/")
    assert reply.status_code == 302
    return Session.objects.get(user=user)


def test_a_reader_continues_with_what_they_may_see(session, member, later_answer, share):
    reader = member(0)
    copied = copy_as(reader, share(session))
    page = client_of(reader).get(f"/chat/{copied.pk}/").content.decode()
    assert OPEN in page
    assert not [each for each in ("merger", TITLE, "So May") if each in page]
    assert page.count("This answer was withheld in the shared conversation") >= 2
    texts = Answer.objects.filter(turn__session=copied).values_list("text", flat=True)
    assert not [text for text in texts if "merger" in text]


def test_what_was_withheld_stays_withheld_in_the_copy_when_the_level_rises(
    session, member, secret_answer, share
):
    reader = member(0)
    copied = copy_as(reader, share(session))
    Membership.objects.filter(user=reader).update(access_level=2)
    assert SECRET not in client_of(reader).get(f"/chat/{copied.pk}/").content.decode()


def test_a_copy_is_withheld_when_its_reader_loses_access(session, member, open_answer, share):
    reader = member(0)
    copied = copy_as(reader, share(session))
    Membership.objects.filter(user=reader).delete()
    assert OPEN not in client_of(reader).get(f"/chat/{copied.pk}/").content.decode()


def test_a_copy_that_is_shared_again_withholds_the_same(session, member, later_answer, share):
    copied = copy_as(member(2), share(session))
    page = read_as(member(0), share(copied))
    assert OPEN in page
    assert not [each for each in ("merger", "May", TITLE) if each in page]


def test_an_openness_to_anybody_is_not_copied(public):
    stranger = factories.user()
    copied = copy_as(stranger, public)
    assert OPEN not in client_of(stranger).get(f"/chat/{copied.pk}/").content.decode()
