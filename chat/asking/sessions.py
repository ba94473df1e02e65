"""Operations on sessions: find, create, rename, pin, delete, and choose a branch.

Only the owner of a session can use them.
"""

from collections.abc import Iterator
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404

from accounts import deletion
from accounts.models import Deletion, User, record
from chat.answering.branches import Tree
from chat.errors import QuestionRefused
from chat.models import Answer, Import, Session, Summary, Turn
from core.db.cascade import count_with_owned, delete_in_parts, delete_rows
from core.text import one_line

from .temporary_usage import keep_usage

TEMPORARY_TITLE = "Temporary chat"
_ALL = "all"  # begins the key of a deletion of all sessions of a user
_GONE = Session.objects.filter(user=None)
TITLE_CHARACTERS = 80  # of a title that is derived from a question


def sessions_for(user: User) -> QuerySet[Session]:
    """Return the user's sessions, with temporary ones that have not ended."""
    return Session.objects.filter(Q(temporary_until=None) | Q(temporary_until__gt=Now()), user=user)


def listed_sessions(user: User) -> QuerySet[Session]:
    """Return the user's sessions that lists, searches and exports show: no temporary one is in them."""
    return Session.objects.filter(user=user, temporary_until=None)


def session_for(user: User, id: UUID) -> Session:
    """Return the session. Raises Http404 if it does not exist or belongs to another user.

    This is a sign of life of a temporary one.
    """
    found = sessions_for(user).filter(pk=id).first()
    if found is None:
        raise Http404("There is no such session.")
    if found.is_temporary:
        found.temporary_until = Session.new_end()
        sessions_for(user).filter(pk=id).update(temporary_until=found.temporary_until)
    return found


@transaction.atomic
def delete_session(user: User, id: UUID) -> Deletion | None:
    """Delete a session with its turns and answers. Answers in progress end by themselves. Raises Http404.

    Return the deletion if there is so much that a worker does it. The session is out of reach at once.
    """
    return delete_owned(session_for(user, id))


def delete_owned(session: Session) -> Deletion | None:
    """Do what `delete_session` does, in the caller's transaction. session: it has a user.

    Row locks make concurrent writers wait: a row inserted after the lookup of the rows to delete would block
    the deletion by its foreign key.
    """
    user, id = session.owner, session.pk
    Session.objects.select_for_update().filter(pk=id).first()
    answers = Answer.objects.filter(turn__session=id)
    if session.is_temporary:
        _lock(answers)
        keep_usage(session)
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


def count_all(user: User) -> dict[str, int]:
    """Return what `delete_all_sessions` would delete: conversations, those of programs among them, and questions."""
    sessions = sessions_for(user)
    return {
        "sessions": sessions.count(),
        "of_programs": sessions.filter(preface__isnull=False).count(),
        "questions": Turn.objects.filter(session__user=user).count(),
    }


@transaction.atomic
def delete_all_sessions(user: User) -> int:
    """Delete all of the user's sessions, and their imports. Return how many sessions there were.

    All are out of reach at once. If they have many rows, a worker deletes them in parts.
    """
    sessions = sessions_for(user)
    count = len(sessions.select_for_update().order_by("pk").values_list("pk"))
    Import.objects.filter(user=user).delete()  # one that runs notices it before it stores more
    answers = Answer.objects.filter(turn__session__user=user)
    if count_with_owned(Session, user=user) <= deletion.AT_ONCE:
        _lock(answers)
        sessions.delete()
    else:
        in_progress = answers.exclude(status__in=Answer.ENDED)
        _lock(in_progress)
        in_progress.delete()
        Summary.objects.filter(session__user=user).delete()
        sessions.update(user=None)
        deletion.begin_several(user, Session, f"{_ALL} {uuid4().hex}", "all chats")
    record(user, "session.delete_all", user.username, count=count)
    return count


def _lock(answers: QuerySet[Answer]) -> None:
    # the order of chat.log.writer.HELD_ANSWERS: no deadlocks
    list(answers.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def _delete_in_parts(key: str) -> Iterator[int]:
    """Delete the session with this key; for all of a user, every session that has lost its user."""
    return delete_rows(_GONE.all()) if key.startswith(_ALL) else delete_in_parts(Session, [key])


def _count_rows(key: str) -> int:
    return count_with_owned(Session, **({"user": None} if key.startswith(_ALL) else {"pk": key}))


deletion.deletes(Session, _delete_in_parts, _count_rows)


def create_session(
    user: User, title: str = "", *, is_pinned: bool = False, is_temporary: bool = False
) -> Session:
    """Create a session. Without a title, the first question becomes its title, unless it is temporary."""
    title = fitting_title(title) or (TEMPORARY_TITLE if is_temporary else "")
    naming = Session.Naming.OWN if title else Session.Naming.OPEN
    until = Session.new_end() if is_temporary else None
    return Session.objects.create(
        user=user, title=title, naming=naming, is_pinned=is_pinned, temporary_until=until
    )


def rename_session(user: User, id: UUID, title: str) -> Session:
    """Rename a session. An empty title changes nothing. Raises Http404 and QuestionRefused."""
    session = session_for(user, id)
    title, limit = one_line(title), Session._meta.get_field("title").max_length or 0
    if len(title) > limit:
        raise QuestionRefused(f"The title has {len(title):,} characters; the limit is {limit}. Shorten it.")
    if title:
        session.title, session.naming = title, Session.Naming.OWN
        session.save(update_fields=["title", "naming"])
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
    """Return the first words of a question, cut at a word. static/js/chat-words.js does the same."""
    title = " ".join(question[: 4 * TITLE_CHARACTERS].split())
    if len(title) <= TITLE_CHARACTERS:
        return title
    cut = title[: TITLE_CHARACTERS - 1]
    at = -1 if title[len(cut)] == " " else cut.rfind(" ", TITLE_CHARACTERS // 2)
    return f"{(cut if at < 0 else cut[:at]).rstrip()}…"
