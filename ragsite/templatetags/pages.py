"""Template tags for times and durations."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """Return a <time> element with the relative time in words, and the exact time on hover."""
    if moment is None:
        return "never"
    moment = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{moment:%-d %B %Y, %H:%M:%S %Z}",
        _in_words(timezone.now() - moment, moment),
    )


@register.simple_tag
def took(start: datetime, end: datetime | None) -> str:
    """Return the duration with its unit."""
    if end is None:
        return ""
    seconds = (end - start).total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _in_words(age: timedelta, moment: datetime) -> str:
    seconds = abs(age.total_seconds())
    if seconds < 45:
        return "just now" if age >= timedelta(0) else "in a moment"
    if seconds < 3600 * 24 * 7:
        words = _amount(seconds)
        return f"{words} ago" if age > timedelta(0) else f"in {words}"
    return f"{moment:%-d %b %Y}"


def _amount(seconds: float) -> str:
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 3600 * 24:
        return f"{round(seconds / 3600)} h"
    days = round(seconds / 3600 / 24)
    return f"{days} day{'s' if days > 1 else ''}"
