"""Replies to requests that are refused before or outside of a view: as JSON for programs, as a page for people."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import server_error

from core.errors import Busy
from core.outages import as_busy


def refusal_response(path: str, status: int, sentence: str) -> HttpResponse:
    """Return the sentence in the format that clients of this address read."""
    if path.startswith("/v1/"):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": sentence, "type": kind, "param": None, "code": None}
        return JsonResponse({"error": error}, status=status)
    if path.startswith("/api/"):
        return JsonResponse({"detail": sentence}, status=status)
    return HttpResponse(render_to_string("refused.html", {"sentence": sentence}), status=status)


def busy_response(path: str, busy: Busy) -> HttpResponse:
    """Return status 503, with the time after which a client should try again."""
    response = refusal_response(path, 503, str(busy))
    response["Retry-After"] = str(busy.retry_after_s)
    return response


class RefuseWhenBusy(MiddlewareMixin):
    """Middleware: a view that raises Busy, or gets no database connection in time, replies with 503."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        busy = as_busy(error)
        return busy_response(request.path, busy) if busy else None


def handle_500(request: HttpRequest) -> HttpResponse:
    """Reply to an exception outside of a view, such as a middleware that gets no database connection in time."""
    busy = as_busy(sys.exception())
    return busy_response(request.path, busy) if busy else server_error(request)
