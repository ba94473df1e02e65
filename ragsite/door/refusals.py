"""Replies to requests that are refused before or outside of a view: as JSON for programs, as a page for people."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import bad_request, page_not_found, server_error

from chat.openai.format import ApiError
from core.errors import Busy
from core.outages import as_busy
from core.rest.errors import error_response


def refusal_response(path: str, status: int, sentence: str) -> HttpResponse:
    """Return the sentence in the format that clients of this address read."""
    return _for_programs(path, status, sentence) or HttpResponse(
        render_to_string("refused.html", {"sentence": sentence}), status=status
    )


def _for_programs(path: str, status: int, sentence: str) -> HttpResponse | None:
    """Return the sentence as JSON, or None if people read this address."""
    if path.startswith("/v1/"):
        return JsonResponse(ApiError(sentence, status).as_json(), status=status)
    return error_response(status, sentence) if path.startswith("/api/") else None


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


class ExplainMethod(MiddlewareMixin):
    """Says what an address takes that only takes forms: Django's reply to another method is an empty page."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code != 405 or not isinstance(response, HttpResponse) or response.content:
            return response
        sentence = (
            "This address takes a form of this site and shows no page. Go back, and use the button there."
        )
        explained = refusal_response(request.path, 405, sentence)
        explained["Allow"] = response["Allow"]
        return explained


def handle_400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Reply to a request that Django refuses itself, such as one with a host that is not the site's."""
    sentence = "The request is not valid, or its host is not an address of this site."
    return _for_programs(request.path, 400, sentence) or bad_request(request, exception)


def handle_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Reply to an address that does not exist."""
    sentence = "There is no such address. The page /api/docs/ lists the addresses."
    return _for_programs(request.path, 404, sentence) or page_not_found(request, exception)


def handle_500(request: HttpRequest) -> HttpResponse:
    """Reply to an exception outside of a view, such as a middleware that gets no database connection in time."""
    if busy := as_busy(sys.exception()):
        return busy_response(request.path, busy)
    sentence = "Something went wrong on our side. Try again."
    return _for_programs(request.path, 500, sentence) or server_error(request)
