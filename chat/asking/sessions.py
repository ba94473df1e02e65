"""Operations on sessions: find, create, rename, pin, delete, and choose a branch.

Only the owner of a session can use them.
"""

from collections.abc import Iterator
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404

from accounts import deletion
from accounts.models import Deletion, User
from chat.answering.branches import Tree
from chat.errors import QuestionRefused
from chat.models import Answer, Session, Summary, Turn
from core.db.cascade import delete_in_parts
from core.text import one_line

TITLE_CHARACTERS = 80  # of a title that is derived from a question


def sessions_for(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user)


def session_for(user: User, id: UUID) -> Session:
    """Return the session. Raises Http404 if it does not exist or belongs to another user."""
    found = sessions_for(user).filter(pk=id).first()
    if found is None:
        raise Http404("There is no such session.")
    return found


@transaction.atomic
def delete_session(user: User, id: UUID) -> Deletion | None:
    """Delete a session with its turns and answers. Answers in progress end by themselves.

    Return the deletion if there is so much that a worker does it. The session is out of reach at once.
    Row locks make concurrent writers wait: a row inserted after the lookup of the rows to delete would block
    the deletion by its foreign key.
    """
    session = session_for(user, id)
    Session.objects.select_for_update().filter(pk=id).first()
    answers = Answer.objects.filter(turn__session=id)
    if deletion.is_small(session):
        _lock(answers)
        session.delete()
        return None
    in_progress = answers.exclude(status__in=Answer.ENDED)
    _lock(in_progress)
    in_progress.delete()
    Summary.objects.filter(session=id).delete()
    Session.objects.filter(pk=id).update(user=None)
    return deletion.begin(user, session, "a chat")  # its title is private


def _lock(answers: QuerySet[Answer]) -> None:
    # the order of chat.log.writer.HELD_ANSWERS: no deadlocks
    list(answers.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def _delete_in_parts(key: str) -> Iterator[int]:
    return delete_in_parts(Session, [key])


deletion.deletes(Session, _delete_in_parts)


def create_session(user: User, title: str = "", *, is_pinned: bool = False) -> Session:
    """Create a session. Without a title, the first question becomes its title."""
    return Session.objects.create(user=user, title=fitting_title(title), is_pinned=is_pinned)


def rename_session(user: User, id: UUID, title: str) -> Session:
    """Rename a session. An empty title changes nothing. Raises Http404 and QuestionRefused."""
    session = session_for(user, id)
    title, limit = one_line(title), Session._meta.get_field("title").max_length or 0
    if len(title) > limit:
        raise QuestionRefused(f"The title has {len(title):,} characters; the limit is {limit}. Shorten it.")
    if title:
        session.title = title
        session.save(update_fields=["title"])
    return session


def pin_session(user: User, id: UUID, *, is_pinned: bool) -> Session:
    """Pin a session to the top of the list, or unpin it. Raises Http404."""
    session = session_for(user, id)
    session.is_pinned = is_pinned
    session.save(update_fields=["is_pinned"])
    return session


def show_branch(user: User, session_id: UUID, turn_id: UUID) -> None:
    """Continue the conversation from the branch of this version of a question. Raises Http404."""
    end = Tree.of(session_for(user, session_id)).end_below(turn_id)
    Turn.objects.filter(pk=end).update(shown_at=Now())


def fitting_title(title: str) -> str:
    return one_line(title)[: Session._meta.get_field("title").max_length]


def title_of(question: str) -> str:
    title = " ".join(question[: 4 * TITLE_CHARACTERS].split())
    return title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1].rstrip()}…"
