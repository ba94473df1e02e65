"""Health probes: is this process alive, and does it reach the database and the broker?"""

import tomllib
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from drf_spectacular.utils import extend_schema, inline_serializer
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from documents.ingestion.health import report_alarms

VERSION: str = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"]


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
