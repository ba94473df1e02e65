"""List filters for answers and ratings.

The admin lists filter by their states, and the console counts them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.db.models import Q
from django.utils import timezone

from core.admin.filters import StateFilter

from .models import Answer, AnswerRating


def _since(ago: timedelta) -> Callable[[], Q]:
    return lambda: Q(created_at__gte=timezone.now() - ago)


def _start_of_today() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


class PeriodFilter(StateFilter):
    title = "time"
    parameter_name = "period"
    model = Answer
    states = {
        "today": ("Today", lambda: Q(created_at__gte=_start_of_today())),
        "day": ("Last 24 hours", _since(timedelta(hours=24))),
        "month": ("Last 30 days", _since(timedelta(days=30))),
    }


class StateOfAnswer(StateFilter):
    title = "state"
    parameter_name = "state"
    model = Answer
    states = {
        "queued": ("Queued", lambda: Q(status=Answer.Status.QUEUED)),
        "running": ("Writing", lambda: Q(status=Answer.Status.RUNNING)),
        "finished": ("Finished", lambda: Q(status=Answer.Status.FINISHED)),
        "stopped": ("Stopped", lambda: Q(status=Answer.Status.STOPPED)),
        "failed": ("Failed", lambda: Q(status=Answer.Status.FAILED)),
    }


class ThumbFilter(StateFilter):
    title = "rating"
    parameter_name = "rating"
    model = AnswerRating
    states = {
        "good": ("Good", lambda: Q(is_good=True)),
        "bad": ("Bad", lambda: Q(is_good=False)),
    }


class AnswererFilter(AllValuesFieldListFilter):
    """The models of rated answers, without the names that imported conversations bring along."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        own = Answer.objects.filter(is_imported=False, ratings__isnull=False)
        names = own.order_by("endpoint_name").values_list("endpoint_name", flat=True)
        self.lookup_choices = names.distinct()
