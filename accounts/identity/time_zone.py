"""Shows the times of a page in the user's own time zone: the one of the account, else the one of the browser."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

COOKIE = "time_zone"  # set by static/js/ui.js
_IN_UTC = ("/api/", "/v1/")


@cache  # it reads the folder of the zones
def zones() -> frozenset[str]:
    """Return the names of all time zones (https://www.iana.org/time-zones)."""
    return frozenset(available_timezones())


class UserTimeZone(MiddlewareMixin):
    """The APIs stay in UTC. An unknown zone changes nothing."""

    def process_request(self, request: HttpRequest) -> None:
        timezone.deactivate()
        if request.path.startswith(_IN_UTC):
            return
        name = getattr(request.user, "time_zone", "") or request.COOKIES.get(COOKIE, "")
        if name in zones():
            timezone.activate(ZoneInfo(name))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        timezone.deactivate()
        return response
