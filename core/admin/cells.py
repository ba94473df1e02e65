from datetime import datetime

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html
from django.utils.timezone import localtime


def time_ago(moment: datetime | None) -> str:
    """Return how long ago or how soon the moment is, with the exact time on hover."""
    if moment is None:
        return "–"
    exact = localtime(moment).isoformat(" ", "seconds")
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, exact, naturaltime(moment))
