"""The format of the REST API's errors, for replies that are made outside of its views."""

from typing import Any

from django.http import JsonResponse


def error_response(status: int, sentence: str, **named: Any) -> JsonResponse:
    """Return the sentence as Django REST framework does. named: further arguments of JsonResponse."""
    return JsonResponse({"detail": sentence}, status=status, **named)
