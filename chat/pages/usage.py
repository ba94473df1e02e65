"""The page of one's own usage: answers, tokens and cost by month and model."""

from datetime import datetime

from django.db.models import Count, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from chat.models import Answer, Summary, TemporaryUsage

MONTHS = 6
_SUMS = {"read": Sum("input_tokens"), "written": Sum("output_tokens"), "paid": Sum("cost")}


@never_cache
@require_safe
def own_usage(request: UserRequest) -> HttpResponse:
    answers = Answer.objects.filter(turn__session__user=request.user, created_at__gte=_first_month())
    months = answers.order_by().annotate(month=TruncMonth("created_at")).values("month", "endpoint_name")
    rows = months.annotate(answers=Count("pk"), **_SUMS).order_by("-month", "endpoint_name")
    summaries = Summary.objects.filter(session__user=request.user).aggregate(**_SUMS)
    temporary = TemporaryUsage.objects.filter(user=request.user).aggregate(**_SUMS)
    context = {"rows": rows, "summaries": summaries, "temporary": temporary, "months": MONTHS}
    return render(request, "chat/usage.html", context)


def _first_month() -> datetime:
    """Return the start of the first month that is shown."""
    now = timezone.localtime()
    month = now.year * 12 + now.month - MONTHS
    start = now.replace(year=month // 12, month=month % 12 + 1, day=1)
    return start.replace(hour=0, minute=0, second=0, microsecond=0)
