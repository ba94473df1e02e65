"""Health probes: is this process alive, and does it reach the database and the broker?"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from drf_spectacular.utils import extend_schema, inline_serializer
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from documents.ingestion.health import report_alarms

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
        description="Status 503 if the database or the broker does not answer.",
        tags=["health"],
        responses=inline_serializer(
            "HealthReply",
            {
                "status": serializers.ChoiceField(["ok", "down"]),
                "database": serializers.BooleanField(),
                "broker": serializers.BooleanField(),
                "stuck": serializers.IntegerField(
                    help_text="Documents that no worker processes, or that make no progress."
                ),
                "version": serializers.CharField(),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        reached = {"database": _database_answers(), "broker": _broker_answers()}
        is_well = all(reached.values())
        stuck = sum(alarm.count for alarm in report_alarms()) if reached["database"] else 0
        body: dict[str, Any] = {
            "status": "ok" if is_well else "down", **reached, "stuck": stuck, "version": VERSION,
        }  # fmt: skip
        return Response(body, status=200 if is_well else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_answers() -> bool:
    """Check the server that is broker, channel layer and cache."""
    try:
        cache.get("health")
    except (RedisError, OSError):
        return False
    return True
