"""Health probes: is this process alive, and does it reach the database and the broker?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from documents.ingestion.health import report_alarms
from documents.models import Document
from documents.sources.schedule import overdue_visits
from models_registry.models import Endpoint

from .monitoring.schedule import schedule_problem
from .monitoring.service_probes import probe_services, warnings_of_broker
from .release.version import VERSION

PROBED = frozenset(["/health", "/health/", "/api/v1/health"])


@sync_and_async_middleware
def accept_probes(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Accept probes with any Host: load balancers send the address of the process, which no list can name."""
    host = urlsplit(settings.SITE_URL).netloc

    def take(request: HttpRequest) -> None:
        if request.path in PROBED:
            request.META["HTTP_HOST"] = host

    if iscoroutinefunction(get_response):

        async def accept_async(request: HttpRequest) -> Any:
            take(request)
            return await get_response(request)

        return accept_async

    def accept(request: HttpRequest) -> Any:
        take(request)
        return get_response(request)

    return accept


@login_not_required
def alive(request: HttpRequest) -> JsonResponse:
    """Answer a load balancer's liveness probe.

    It uses no other service: a slow database must not stop every web process.
    """
    return JsonResponse({"status": "ok"})


class Health(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Check the health of the site",
        description=(
            "Status 503 if the database, the message server or the storage of files is away, read-only or full: each "
            "is written to, at most every few seconds."
        ),
        tags=["health"],
        responses=inline_serializer(
            "HealthReply",
            {
                "status": serializers.ChoiceField(["ok", "down"]),
                "database": serializers.BooleanField(help_text="It can be written to."),
                "broker": serializers.BooleanField(help_text="The message server can be written to."),
                "files": serializers.BooleanField(help_text="Files can be stored."),
                "problems": serializers.ListField(
                    child=serializers.CharField(),
                    help_text="What is wrong, as sentences; also what is no outage.",
                ),
                "schedule": serializers.BooleanField(help_text="Exactly one scheduler (beat) runs."),
                "overdueVisits": serializers.IntegerField(
                    help_text="Websites and feeds whose scheduled visit did not begin."
                ),
                "stuck": serializers.IntegerField(
                    help_text="Documents that no worker processes, or that make no progress."
                ),
                "waiting": serializers.IntegerField(
                    help_text="Documents that wait for an embedding endpoint."
                ),
                "otherModels": serializers.IntegerField(
                    help_text="Embedding endpoints at whose address another model answers."
                ),
                "version": serializers.CharField(),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        outages = probe_services()
        is_well = not any(outages.values())
        known = _schedule_and_work() if not outages["database"] else _UNKNOWN
        problems = [each for each in (*outages.values(), *warnings_of_broker(), *known.problems) if each]
        body: dict[str, Any] = {
            "status": "ok" if is_well else "down",
            **{name: not outage for name, outage in outages.items()},
            "problems": problems,
            **known.figures,
            "version": VERSION,
        }
        return Response(body, status=200 if is_well else 503)


@dataclass(frozen=True, slots=True)
class _Known:
    figures: dict[str, int | bool]
    problems: tuple[str, ...] = ()


_UNKNOWN = _Known({"schedule": False, "overdueVisits": 0, "stuck": 0, "waiting": 0, "otherModels": 0})


def _schedule_and_work() -> _Known:
    schedule, overdue = schedule_problem(), overdue_visits().count()
    # The sentence about the schedule names hosts, and this address needs no login
    problems = [_SCHEDULE] if schedule else []
    problems += [f"{overdue:,} scheduled visits of websites and feeds did not begin."] if overdue else []
    return _Known(
        {
            "schedule": not schedule,
            "overdueVisits": overdue,
            "stuck": sum(alarm.count for alarm in report_alarms()),
            "waiting": Document.objects.waiting_for_endpoint().count(),
            "otherModels": Endpoint.objects.exclude(other_model_since=None).count(),
        },
        tuple(problems),
    )


_SCHEDULE = "Not exactly one scheduler (beat) runs: see the console."
