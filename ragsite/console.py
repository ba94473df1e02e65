"""The operators' start page: problems, latencies and costs, each linked to its list."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Aggregate, Count, F, FloatField, Q, Sum
from django.db.models.functions import Coalesce, Extract
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.status_filters import StateOfDeletion
from chat.models import Answer, TemporaryUsage
from chat.status_filters import PeriodFilter, StateOfAnswer
from core.admin.filters import StateFilter
from core.numbers import token_words
from documents.models import Document
from documents.sources.schedule import overdue_visits
from documents.sources.status_filters import StateOfSource
from documents.status_filters import StateOfDocument
from models_registry.status_filters import HealthFilter

from .cleaning.status_filters import StateOfCleaning
from .monitoring.schedule import running_beats, schedule_problem
from .monitoring.service_probes import probe_services, warnings_of_broker
from .monitoring.troubles import newest_troubles

FEW_FREE = 0.05  # of the disk: a database stops when it is full


@dataclass(frozen=True, slots=True)
class Figure:
    value: str
    label: str
    url: str
    tone: str = ""  # "bad" or "warn" if an operator should look; never the only sign: the label says it too


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    figures: list[Figure]


class Console(AdminSite):
    site_header = site_title = "Ragsite"
    index_title = "Console"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.is_operator

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Use the site's own login page.

        Tell a user who is logged in, but is not an operator, why access is denied.
        """
        if request.user.is_authenticated:
            raise PermissionDenied("This part is for operators. Ask one of them to make you an operator.")
        return redirect_to_login(request.GET.get("next", resolve_url("admin:index")))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Use the site's own page, which limits the attempts to guess the old password."""
        return redirect("change-password")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        panels = [_models(), _ingestion(), _answers(), _spending(), _housekeeping(), _machine()]
        shown = {"panels": panels, "problems": _problems(), "troubles": newest_troubles()}
        return super().index(request, {**(extra_context or {}), **shown})


def _problems() -> list[str]:
    """Return what an operator must mend now, as sentences: full servers, the schedule, late visits."""
    overdue = overdue_visits().count()
    late = f"{overdue:,} scheduled visits of websites and feeds did not begin." if overdue else ""
    found = [*probe_services().values(), *warnings_of_broker(), schedule_problem(), late]
    return [each for each in found if each]


def _figures(of: type[StateFilter], tones: Mapping[str, str]) -> list[Figure]:
    """Return a figure for each state of a list's filter.

    `tones` selects the states, with their tone if not zero.
    """
    counts = of.counts()
    return [
        Figure(
            f"{counts[state]:,}", of.states[state][0].lower(), of.url(state), tone if counts[state] else ""
        )
        for state, tone in tones.items()
    ]


def _models() -> Panel:
    return Panel("Models", _figures(HealthFilter, {"well": "", "slow": "warn", "failing": "bad"}))


def _ingestion() -> Panel:
    tones = {"waiting": "", "working": "", "stuck": "bad", "failed": "bad"}
    figures = _figures(StateOfDocument, tones) + _waiting() + _figures(StateOfSource, {"held": "warn"})
    return Panel("Ingestion", figures)


def _waiting() -> list[Figure]:
    """Return a figure for each endpoint that documents wait for."""
    waiting = Document.objects.waiting_for_endpoint().values_list("waits_for__name")
    counted = waiting.annotate(Count("pk")).order_by("waits_for__name")
    url = StateOfDocument.url("waits")
    return [Figure(f"{count:,}", f"wait for endpoint {name}", url, "bad") for name, count in counted]


def _housekeeping() -> Panel:
    cleanings = _figures(StateOfCleaning, {"run": "", "failed": "bad", "late": "warn"})
    deletions = _figures(StateOfDeletion, {"running": "", "troubled": "warn"})
    cleanings[0] = replace(cleanings[0], label="cleanings on time")
    deletions[0] = replace(deletions[0], label="deletions under way")
    return Panel("Cleaning up", [*cleanings, *deletions])


def _machine() -> Panel:
    """Return the disk with the data, and what runs here besides this process."""
    disk, beats = shutil.disk_usage(settings.DATA_DIR), len(running_beats())
    share = disk.free / disk.total
    tone = "bad" if share < FEW_FREE else ""
    schedule = reverse("admin:ragsite_cleaningrun_changelist")
    free = Figure(filesizeformat(disk.free), f"free on the disk, {share:.0%}", schedule, tone)
    return Panel("Machine", [free, Figure(str(beats), "schedulers", schedule, "" if beats == 1 else "bad")])


class _Median(Aggregate):
    """Median as an ordered-set aggregate: PostgreSQL manual, 9.21."""

    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def _answers() -> Panel:
    day = Answer.objects.filter(created_at__gte=timezone.now() - timedelta(hours=24), is_imported=False)
    waited_s = Extract(F("first_token_at") - F("created_at"), "epoch", output_field=FloatField())
    found = day.aggregate(
        asked=Count("pk"),
        failed=Count("pk", filter=Q(status=Answer.Status.FAILED)),
        waited_s=_Median(waited_s),
    )
    last_day = PeriodFilter.url("day")
    median = "–" if found["waited_s"] is None else f"{found['waited_s']:.1f} s"
    return Panel(
        "Answers, last 24 hours",
        [
            Figure(f"{found['asked']:,}", f"asked, {found['asked'] / 24:.1f} an hour", last_day),
            Figure(median, "to the first word, median", f"{last_day}&o=6"),
            Figure(
                f"{found['failed']:,}",
                "failed",
                f"{last_day}&{StateOfAnswer.parameter_name}=failed",
                "bad" if found["failed"] else "",
            ),
        ],
    )


def _spending() -> Panel:
    month = Answer.objects.filter(PeriodFilter.states["month"][1]())
    today = PeriodFilter.states["today"][1]()
    tokens = F("input_tokens") + F("output_tokens")
    zero = Decimal(0)
    found = month.aggregate(
        tokens_today=Coalesce(Sum(tokens, filter=today), 0),
        today=Coalesce(Sum("cost", filter=today), zero),
        tokens=Coalesce(Sum(tokens), 0),
        month=Coalesce(Sum("cost"), zero),
    )
    temporary = TemporaryUsage.objects.filter(asked_at__gte=timezone.now() - timedelta(days=30))
    ended = temporary.aggregate(tokens=Coalesce(Sum(tokens), 0), cost=Coalesce(Sum("cost"), zero))
    return Panel(
        "Spending",
        [
            Figure(
                f"${found['today']:.2f}",
                f"today, {token_words(found['tokens_today'])}",
                PeriodFilter.url("today"),
            ),
            Figure(
                f"${found['month']:.2f}",
                f"in 30 days, {token_words(found['tokens'])}",
                PeriodFilter.url("month"),
            ),
            Figure(
                f"${ended['cost']:.2f}",
                f"in 30 days, in temporary chats that have ended, {token_words(ended['tokens'])}",
                reverse("admin:chat_temporaryusage_changelist"),
            ),
        ],
    )
