"""Forgets the addresses of pages that are gone for good: a website that lives for years has many."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from core.db.cascade import delete_rows
from documents.models import Address

GONE_KEPT = timedelta(days=180)  # meanwhile the page of the website says what became of them


def forget_gone_addresses() -> Iterator[int]:
    """Yield after each transaction how many addresses it deleted. One that is linked again is added again."""
    gone = Address.objects.filter(state=Address.State.GONE, document=None)
    yield from delete_rows(gone.filter(fetched_at__lt=timezone.now() - GONE_KEPT))
