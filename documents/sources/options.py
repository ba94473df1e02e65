"""The crawl options of a website or feed: checks them when it is added, and changes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.changes import differences
from accounts.models import User, record
from documents.errors import DocumentRefused
from documents.models import Document, Source

_MAX_PATTERNS, _MAX_PATTERN_CHARACTERS = 50, 200
FEED_OPTIONS = {"schedule", "prefers_own_text"}
SITE_OPTIONS = {
    "schedule", "follows_links", "max_pages", "max_depth", "is_below_start", "include", "exclude",
}  # fmt: skip


def change_options(document: Document, user: User | None, **options: Any) -> None:
    """Change the options of a website or feed, for what is read next. Raises DocumentRefused.

    options: some of those of `add_website` or `add_feed`. The next visit removes pages that no longer belong.
    """
    source = document.source
    if odd := sorted(options.keys() - (FEED_OPTIONS if source.is_feed else SITE_OPTIONS)):
        raise DocumentRefused(
            f"A {document.get_kind_display().lower()} has no such option: {', '.join(odd)}."
        )
    kept = check_options({"schedule": source.schedule, **options})
    changes = differences({name: getattr(source, name) for name in kept}, kept)
    for name, value in kept.items():
        setattr(source, name, value)
    if "schedule" in options:
        source.next_visit_at = timezone.now() + source.period if source.period else None
    with transaction.atomic():
        source.save(update_fields=[*kept, "next_visit_at"])
        record(user, "document.options", document.title, id=str(document.pk), changes=changes)


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a source's options as they are stored. Raises DocumentRefused."""
    if "max_pages" in options:
        _check_limit("pages", options["max_pages"], 1, settings.CRAWL_MAX_PAGES)
    if "max_depth" in options:
        _check_limit("links from the start address", options["max_depth"], 0, settings.CRAWL_MAX_DEPTH)
    if options["schedule"] not in Source.Schedule.values:
        raise DocumentRefused(f"Choose one of these schedules: {', '.join(Source.Schedule.values)}.")
    patterns = {name: _patterns(options[name]) for name in ("include", "exclude") if name in options}
    return {**options, **patterns}


def _check_limit(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise DocumentRefused(f"The limit of {what} must be from {least} to {most:,}.")


def _patterns(patterns: Sequence[str]) -> list[str]:
    kept = [pattern.strip() for pattern in patterns if pattern.strip()]
    if len(kept) > _MAX_PATTERNS or any(len(each) > _MAX_PATTERN_CHARACTERS for each in kept):
        raise DocumentRefused(
            f"Enter at most {_MAX_PATTERNS} patterns of at most {_MAX_PATTERN_CHARACTERS} characters each."
        )
    if odd := next((each for each in kept if not each.startswith(("/", "*"))), None):
        raise DocumentRefused(
            f"The pattern {odd!r} matches no address. Begin it with / or *, as in /docs/* or *.pdf."
        )
    return kept
