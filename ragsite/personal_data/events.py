"""The events of the audit log about one person, and how their name is taken out of them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from accounts.models import AuditEvent

_ABOUT_USERS = r"^(user|api_key|member|login)\."  # their subject or detail may name a user
_BATCH = 500  # rows of one transaction


def events_about(username: str) -> Q:
    """Return the condition of events whose subject is this user."""
    name = re.escape(username)
    return Q(action__regex=_ABOUT_USERS) & Q(subject__regex=rf"(^| of )({name})( in |$)")


def naming(names: Iterable[str]) -> Any:
    """Return the events about users that may have one of these names in their subject or detail."""
    events = AuditEvent.objects.filter(action__regex=_ABOUT_USERS).annotate(words=Cast("detail", TextField()))
    found = Q()
    for name in names:
        found |= Q(subject__icontains=name) | Q(words__icontains=name)
    return events.filter(found)


def take_names_out(names: list[str], instead: str) -> Iterator[int]:
    """Put another word in place of the names, in the events about users. Yield how many each transaction changed."""
    whole = re.compile(
        "|".join(rf"(?<![\w@.+-]){re.escape(name)}(?![\w@+-])" for name in names), re.IGNORECASE
    )
    last = 0
    while batch := list(naming(names).filter(pk__gt=last).order_by("pk")[:_BATCH]):
        last, changed = batch[-1].pk, 0
        with transaction.atomic():
            for event in batch:
                subject, detail = whole.sub(instead, event.subject), _without(whole, event.detail, instead)
                if (subject, detail) != (event.subject, event.detail):
                    detail.pop("address", None)  # of a login
                    AuditEvent.objects.filter(pk=event.pk).update(subject=subject[:200], detail=detail)
                    changed += 1
        yield changed


def _without(names: re.Pattern[str], value: Any, instead: str) -> Any:
    match value:
        case str():
            return names.sub(instead, value)
        case dict():
            return {key: _without(names, each, instead) for key, each in value.items()}
        case list():
            return [_without(names, each, instead) for each in value]
        case _:
            return value
