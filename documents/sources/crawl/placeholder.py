"""Notices a placeholder: one text at several addresses that had different pages at the visit before.

Parked domains, login pages, maintenance pages, browser checks and soft 404s answer with status 200 and the same
text at every address. A visit fetches a few known pages first, so that a placeholder replaces none of them.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from typing import Protocol

from django.db.models import QuerySet

from documents.errors import NotFetched
from documents.ingestion.crawled import read_page
from documents.models import Address, Document
from documents.parsing.crawled.page import Page

_ENOUGH = 3  # addresses with one text; fewer if the site has fewer pages
# Of the Jaccard index of the sets of words: a placeholder often names a request or a time. And the difference
# must have shrunk to this share, as the pages of a catalogue always look alike.
_NEAR, _SHRUNK = 0.9, 0.5


class _Answer(Protocol):
    @property
    def address(self) -> Address: ...
    @property
    def page(self) -> Page: ...


def sample(waiting: QuerySet[Address], at_once: int) -> list[Address]:
    """Return some addresses with a searchable page, spread from the start address to the last one."""
    most = max(_ENOUGH, min(at_once, 5))
    known = waiting.filter(document__status=Document.Status.READY, own_text="").order_by("priority", "pk")
    keys = list(known.values_list("pk", flat=True))
    step = max(1, (len(keys) - 1) // (most - 1))
    return list(known.filter(pk__in=keys[::step][:most]))


def find_in(answers: Sequence[_Answer], known_pages: int) -> list[str] | None:
    """Return the words of the text that enough of these addresses have now and did not have before, or None."""
    enough = max(2, min(_ENOUGH, known_pages))
    for one in answers:
        alike = [each for each in answers if is_near(each.page.words, one.page.words)]
        if len(alike) >= enough and _became_alike(alike):
            return one.page.words
    return None


def is_near(words: Collection[str] | None, others: Collection[str] | None) -> bool:
    """Return whether two texts have almost the same words. None: it has no words, as it is not a web page."""
    return words is not None and others is not None and _difference(words, others) <= 1 - _NEAR


def _difference(words: Collection[str], others: Collection[str]) -> float:
    """Return the Jaccard distance of two sets of words, from 0 to 1."""
    one, other = set(words), set(others)
    return len(one ^ other) / len(one | other) if one or other else 0.0


def _became_alike(answers: Sequence[_Answer]) -> bool:
    """Return whether these pages differ much less than those that are stored of their addresses."""
    stored = [_words_of(each.address) for each in answers]
    return _spread(each.page.words for each in answers) <= _SHRUNK * _spread(stored) > 0


def _spread(texts: Iterable[Collection[str] | None]) -> float:
    """Return how much the texts differ on average; 0 if fewer than two are known."""
    pairs = list(combinations([each for each in texts if each is not None], 2))
    return sum(_difference(*pair) for pair in pairs) / len(pairs) if pairs else 0.0


def _words_of(address: Address) -> list[str] | None:
    document = address.document
    if document is None or document.media_type != "text/html":
        return None
    try:
        with document.file.open("rb") as file:
            return read_page(file.read(), address.url).words
    except (FileNotFoundError, NotFetched):
        return None
