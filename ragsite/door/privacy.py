"""Middleware for all pages: nothing private is cached, and a NUL in a search is refused."""

from urllib.parse import unquote

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from .refusals import refusal_response


class NoStore(MiddlewareMixin):
    """Forbids browsers and proxies to keep pages and API replies, unless a view says otherwise.

    A shared computer would show them after the logout. Static files do not come here.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class RefuseNul(MiddlewareMixin):
    """Replies with 400 to an address of the admin with a NUL, which PostgreSQL cannot compare with anything.

    Our own pages and views remove it.
    """

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        if request.path.startswith("/admin/") and "\0" in unquote(request.META.get("QUERY_STRING", "")):
            return refusal_response(
                request.path, 400, "The address contains a character that is not allowed."
            )
        return None
