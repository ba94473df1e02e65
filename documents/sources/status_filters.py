"""The states of websites and feeds that operators see: the admin filters by them, and the console counts them."""

from functools import partial

from django.db.models import Q

from core.admin.filters import StateFilter
from documents.models import TROUBLE, Address, Document, Source
from documents.status_filters import StateOfDocument

_S = Document.Status


def _with_troubles() -> Q:
    return Q(document__status=_S.READY, pk__in=Address.objects.filter(TROUBLE).values("source"))


class StateOfSource(StateFilter):
    title = "state"
    parameter_name = "state"
    model = Source
    states = {
        key: (label, partial(lambda which: Q(document__in=Document.objects.filter(which())), which))
        for key, (label, which) in StateOfDocument.states.items()
    } | {
        "troubled": ("Ready, with failed pages", _with_troubles),
        "held": ("Held", lambda: Q(hold__isnull=False, hold__kept_at=None)),
    }


class KindOfSource(StateFilter):
    title = "kind"
    parameter_name = "kind"
    model = Source
    states = {
        "site": ("Websites", lambda: Q(document__kind=Document.Kind.SITE)),
        "feed": ("Feeds", lambda: Q(document__kind=Document.Kind.FEED)),
    }
