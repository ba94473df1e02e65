"""The crawl frontier of a source: which addresses it admits, and which come next."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from django.db.models import F, QuerySet
from django.utils import timezone

from documents.errors import Forbidden
from documents.models import Address, Source

from .url_normalization import Bounds, canonical, has_no_text

_KNOWN_PER_PAGE = 20  # addresses per page of the limit: bounds the links of a crawler trap
_MAX_KNOWN = 100_000
_Role, _State = Address.Role, Address.State


class Frontier:
    """A queue that survives a restart: the table of the source's addresses. The caller holds the claim."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def add(self, urls: Sequence[str], depth: int, role: Address.Role = _Role.PAGE) -> None:
        """Queue those of the URLs that belong to the site and are not known yet."""
        if self._source.is_feed or depth > self._source.max_depth:
            return
        room = min(_MAX_KNOWN, _KNOWN_PER_PAGE * self._source.max_pages) - self._source.addresses.count()
        wanted = dict.fromkeys(self._filter_urls(urls, role))
        known = set(self._source.addresses.filter(url__in=wanted).values_list("url", flat=True))
        new = [url for url in wanted if url not in known][: max(0, room)]
        priority = 0 if role == _Role.SITEMAP else depth
        Address.objects.bulk_create(
            Address(source=self._source, url=url, role=role, depth=depth, priority=priority) for url in new
        )

    def again(self, addresses: QuerySet[Address], tries: int | F = 0) -> None:
        """Queue known addresses again. tries: how many tries already count in this visit."""
        addresses.update(
            state=_State.QUEUED, reason="", elsewhere="", finding="", tries=tries, next_try_at=timezone.now()
        )

    def _filter_urls(self, urls: Sequence[str], role: Address.Role) -> Iterator[str]:
        for url in urls:
            with suppress(Forbidden):
                address = canonical(url)
                is_list = role == _Role.SITEMAP
                if is_list or not (has_no_text(address) or Bounds.of(self._source).refusal(address)):
                    yield address

    def next(self, most: int) -> list[Address]:
        """Return at most `most` due addresses, and no more than the page limit leaves."""
        if self._source.max_pages:
            most = min(most, self._pages_left())
        due = self.waiting().filter(next_try_at__lte=timezone.now())
        return list(due.order_by("priority", "pk")[:most])

    def waiting(self) -> QuerySet[Address]:
        return self._source.addresses.filter(state=_State.QUEUED)

    def is_full(self) -> bool:
        """Return whether the page limit is reached."""
        return bool(self._source.max_pages) and self._pages_left() <= 0

    @property
    def full(self) -> str:
        return f"The limit of {self._source.max_pages:,} pages was reached before this one."

    def read_before(self) -> list[Address]:
        """Return waiting addresses with a document of an earlier visit, but not those being retried."""
        return list(self.waiting().filter(document__isnull=False, tries=0))

    def leave_out_the_rest(self) -> None:
        self.waiting().update(state=_State.SKIPPED, reason=self.full)

    def _pages_left(self) -> int:
        return self._source.max_pages - self._source.pages().filter(state=_State.DONE).count()
