"""Base class of the REST API's views that knows the authenticated user."""

from typing import cast

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from core.rate import Buckets
from core.rest import views

from .models import ApiKey, User

_BURST_S = 5
_calls = Buckets(settings.CALLS_PER_SECOND, _BURST_S * settings.CALLS_PER_SECOND)


def spend_call(user: User) -> float:
    """Count a call of an API. Return 0, or the seconds after which this user may call again."""
    return _calls.spend(user.pk)


class _PerUser(BaseThrottle):
    _wait_s = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        user = request.user
        self._wait_s = spend_call(user) if isinstance(user, User) else 0.0
        return self._wait_s == 0.0

    def wait(self) -> float:
        return self._wait_s


class ApiView(views.ApiView):
    throttle_classes = (_PerUser,)

    @property
    def user(self) -> User:
        """The authenticated person or program; the permission class ensures that there is one."""
        return cast(User, self.request.user)

    @property
    def key(self) -> ApiKey | None:
        """The API key of this request, or None if it uses a login session."""
        return cast(ApiKey | None, self.request.auth)
