"""The end of temporary chats: sessions that are in no list, and are deleted with every word when they end.

A temporary chat ends when its user ends it or logs out, and Session.LIFETIME after its last sign of life: a question, or
a page that is open. Its row says until when it lives, so it also ends after all processes were killed: a cleaning deletes
what has ended.

Two things make sure that no word is left. All words of a chat are in rows that are deleted with their session (a guard
test looks for others). And whatever would write words of a chat elsewhere asks `Session.keeps_words` first: the cache of
searches, which chat.answering.answer_request bypasses, and titles.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.functions import Now
from django.dispatch import receiver

from accounts.models import User
from chat.models import Session

from .sessions import delete_owned


@receiver(user_logged_out)
def end_on_logout(user: User | None, **_: Any) -> None:
    """End all temporary chats of this user, also those of other browsers: the user may not come back to them."""
    for session in Session.objects.filter(user=user, temporary_until__isnull=False) if user else ():
        end_temporary(session)


def end_expired() -> Iterator[int]:
    """Delete the temporary chats that have ended. Yield after each transaction how many."""
    ended = Session.objects.filter(temporary_until__lte=Now(), user__isnull=False)
    for session in ended.select_related("user").iterator(chunk_size=100):
        yield end_temporary(session, only_if_expired=True)


@transaction.atomic
def end_temporary(session: Session, *, only_if_expired: bool = False) -> int:
    """Delete a temporary chat. Return 0 if it is gone already, or if it was expired and a page has come back."""
    alive = Session.objects.select_for_update().filter(pk=session.pk, user__isnull=False)
    if only_if_expired:
        alive = alive.filter(temporary_until__lte=Now())
    if not alive.exists():
        return 0
    delete_owned(session)
    return 1
