"""Tags of sessions."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import User
from chat.errors import NameRefused
from chat.models import Session, Tag

from .names import clean_name

MOST_TAGS = 20  # of one session
NAME_CHARACTERS = 40


def tags_for(user: User) -> QuerySet[Tag]:
    """Return the tags of the user's sessions by name, with `session_count`, the archived sessions left out."""
    listed = Count("sessions", filter=Q(sessions__is_archived=False))
    return Tag.objects.filter(user=user).annotate(session_count=listed).order_by(Lower("name"))


def split_tags(text: str) -> list[str]:
    """Return the tags that people write with commas between them."""
    return [
        each for each in (part.strip().lstrip("#") for part in text.replace("、", ",").split(",")) if each
    ]


@transaction.atomic
def set_tags(user: User, session: Session, names: Iterable[str]) -> list[Tag]:
    """Give a session of this user these tags and no others. Raises NameRefused, and then changes nothing.

    A tag that differs from an existing one in upper and lower case only is that one.
    """
    cleaned = {name.casefold(): name for name in (clean_name(each, "tag", NAME_CHARACTERS) for each in names)}
    if len(cleaned) > MOST_TAGS:
        raise NameRefused(f"A session can have {MOST_TAGS} tags. Remove some.")
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    tags = [_tag(user, name) for name in cleaned.values()]
    session.tags.set(tags)
    Tag.objects.filter(user=user, sessions=None).delete()
    return tags


def _tag(user: User, name: str) -> Tag:
    return Tag.objects.filter(user=user, name__iexact=name).first() or Tag.objects.create(
        user=user, name=name
    )
