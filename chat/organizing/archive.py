"""The archive: sessions that are out of the list, but found by the search and not deleted."""

from chat.models import Session


def archive_session(session: Session, *, is_archived: bool) -> None:
    """Archive a session, or put it back into the list. An archived session is not pinned."""
    session.is_archived = is_archived
    session.is_pinned = session.is_pinned and not is_archived
    session.save(update_fields=["is_archived", "is_pinned"])
