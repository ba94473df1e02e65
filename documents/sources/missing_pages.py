"""Decides what becomes of pages that a visit did not find.

If a visit misses few pages of a source, they are removed at its end. If it misses many, the source is held:
its pages stay searchable until a user decides, or until several visits in a row, on different days, have
found the same. A page that only failed is never removed without a user.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User, record
from documents.errors import DocumentRefused
from documents.models import Address, Document, Finding, Source, SourceHold

from .crawl.crawled_pages import drop_page

_MERGED = 2  # pages that may move to one address; if more lead there, it is a placeholder
_KEPT = (Finding.FAILED, Finding.REFUSED)  # a page that is only unavailable stays
_BATCH = 50  # pages per transaction


@dataclass(frozen=True, slots=True)
class Review:
    """What a visit missed: the addresses whose pages go now, and the hold if there are too many."""

    removals: Sequence[Address] = ()
    hold: SourceHold | None = None  # as it is to be stored
    removed: SourceHold | None = None  # the hold that ended because enough visits found the same


@dataclass(slots=True)
class _Missing:
    replaced: list[Address] = field(default_factory=list)  # another address has the page now
    lost: list[Address] = field(default_factory=list)


def hold_of(source: Source) -> SourceHold | None:
    return SourceHold.objects.select_related("kept_by", "source").filter(source=source).first()


def review(source: Source) -> Review:
    """Decide about the pages that the visit which ends now did not find. Writes nothing."""
    missing = _missing(source)
    if not _are_too_many(len(missing.lost), source.pages_before):
        few = [each for each in missing.lost if each.finding not in _KEPT]
        return Review(missing.replaced + few)
    hold = _hold(source, missing.lost)
    is_final = hold.visits >= settings.CRAWL_HELD_VISITS and hold.kept_at is None
    if is_final and hold.finding != Finding.FAILED:
        gone = [each for each in missing.lost if each.finding != Finding.FAILED]
        return Review(missing.replaced + gone, removed=hold)
    return Review(missing.replaced, hold)


def record_review(source: Source, review: Review) -> None:
    """Store the outcome of a review. Call it in the transaction that ends the visit."""
    if review.hold:
        review.hold.save()
        return
    SourceHold.objects.filter(source=source).delete()
    if review.removed:
        about = {"pages": len(review.removals), "finding": review.removed.finding}
        record(None, "document.remove_missing", source.document.title, id=str(source.pk), **about)


def remove(address: Address) -> None:
    """Remove the page of an address. Call it in a transaction."""
    drop_page(address)
    address.finding = Finding.NONE
    address.save(update_fields=["document", "finding"])


def remove_missing(document: Document, user: User | None) -> int:
    """Remove the pages that the last visit did not find. Return how many. Raises DocumentRefused."""
    hold = _decide(document)
    source, removed = hold.source, 0
    while batch := list(source.missing()[:_BATCH]):
        with transaction.atomic():
            _refuse_while_read(document)
            for address in batch:
                remove(address)
        removed += len(batch)
    with transaction.atomic():
        hold.delete()
        Document.objects.filter(pk=document.pk).update(
            page_count=source.pages().filter(document__isnull=False).count()
        )
        about = {"pages": removed, "finding": hold.finding}
        record(user, "document.remove_missing", document.title, id=str(document.pk), **about)
    return removed


def keep_missing(document: Document, user: User | None) -> int:
    """Keep the missing pages as long as visits find the same. Return how many. Raises DocumentRefused."""
    hold = _decide(document)
    with transaction.atomic():
        hold.kept_at, hold.kept_by = timezone.now(), user
        hold.save(update_fields=["kept_at", "kept_by"])
        about = {"pages": hold.page_count, "finding": hold.finding}
        record(user, "document.keep_missing", document.title, id=str(document.pk), **about)
    return hold.page_count


def describe(hold: SourceHold) -> str:
    """Return what the last visit saw, as sentences for people."""
    noun = "post" if hold.source.is_feed else "page"
    count = f"{hold.page_count:,} of {hold.known_count:,} {noun}s"
    return f"The last visit did not find {count}. {Finding(hold.finding).label}. {hold.example}".strip()


def outlook(hold: SourceHold) -> str:
    """Return what becomes of the pages, as sentences for people."""
    if hold.kept_at:
        who = f" {hold.kept_by.username} decided this." if hold.kept_by else ""
        return f"They stay searchable as long as visits find the same.{who}"
    stay = f"Because these are more than {settings.CRAWL_HELD_PERCENT} %, they stay searchable until a user decides."
    if hold.finding == Finding.FAILED:
        return stay
    visits = settings.CRAWL_HELD_VISITS
    return (
        f"{stay} They are removed without a decision once {visits} visits in a row, on different days, have found the "
        f"same; so far {hold.visits:,}."
    )


def _decide(document: Document) -> SourceHold:
    _refuse_while_read(document)
    hold = hold_of(document.source)
    if hold is None:
        raise DocumentRefused("Nothing is to be decided: the last visit found its pages.")
    return hold


def _refuse_while_read(document: Document) -> None:
    working = Document.objects.filter(
        pk=document.pk, status__in=(Document.Status.PENDING, Document.Status.PROCESSING)
    )
    if working.exists():
        raise DocumentRefused("It is being read right now. Decide when the visit is over, or stop it first.")


def _missing(source: Source) -> _Missing:
    addresses = list(source.missing())
    led_to = Counter(each.elsewhere for each in addresses if each.elsewhere)
    has_page = source.pages().filter(state=Address.State.DONE, document__isnull=False)
    kept = set(has_page.filter(url__in=led_to).values_list("url", flat=True))
    found = _Missing()
    for each in addresses:
        is_replaced = each.elsewhere in kept and led_to[each.elsewhere] <= _MERGED
        (found.replaced if is_replaced else found.lost).append(each)
    return found


def _are_too_many(lost: int, known: int) -> bool:
    """Return whether to hold the source. A single page of several always goes, as pages do on any site."""
    is_many = lost >= 2 and lost * 100 > known * settings.CRAWL_HELD_PERCENT
    return lost > 0 and known > 0 and (is_many or lost >= known)


def _hold(source: Source, lost: Sequence[Address]) -> SourceHold:
    findings = Counter(Finding.SAME_TEXT if each.elsewhere else Finding(each.finding) for each in lost)
    finding = findings.most_common(1)[0][0]
    example = next(each for each in lost if bool(each.elsewhere) or each.finding == finding)
    seen = {
        "finding": finding,
        "page_count": len(lost),
        "known_count": source.pages_before,
        "example": f"{example.url}: {example.reason}",
    }
    hold = hold_of(source)
    if hold is None or hold.finding != finding:
        return SourceHold(source=source, **seen)
    for name, value in seen.items():
        setattr(hold, name, value)
    now = timezone.now()
    if now.date() > hold.counted_at.date():
        hold.visits, hold.counted_at = hold.visits + 1, now
    return hold
