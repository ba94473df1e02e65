"""Base class of all REST API views: pagination, validated bodies, and one format for errors.

Errors are `{"detail": "..."}`, or a list of sentences per field.
"""

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from django.template.defaultfilters import filesizeformat
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from .serializers import CamelCase, camel


class Pagination(LimitOffsetPagination):
    default_limit = 50
    max_limit = 200  # the cap for a larger `limit`


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"


class ApiView(GenericAPIView[Any]):
    serializer_class = CamelCase
    metadata_class = None  # OPTIONS is refused: the OpenAPI document describes the addresses
    pagination_class: type[Pagination] | None = Pagination

    def read(
        self, request: Request, serializer: type[serializers.Serializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the validated body. Raise ValidationError with a list of sentences per field.

        partial: no field is required; a missing field keeps its value.
        """
        checked = serializer(data=request.data, partial=partial, context=self.get_serializer_context())
        checked.is_valid(raise_exception=True)
        return cast(dict[str, Any], checked.validated_data)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ModelValidationError):
            exc = serializers.ValidationError(_by_spoken_name(exc))
        if isinstance(exc, ObjectDoesNotExist):  # deleted after this request looked it up
            exc = Http404("It was deleted in the meantime.")
        if isinstance(exc, RequestDataTooBig):
            limit = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
            exc = TooLarge(f"The body is larger than {limit}. Send less at once, or send it as a file.")
        return super().handle_exception(exc)


def _by_spoken_name(error: ModelValidationError) -> dict[str, list[str]]:
    if not hasattr(error, "error_dict"):
        return {api_settings.NON_FIELD_ERRORS_KEY: error.messages}
    names: dict[str, str] = {NON_FIELD_ERRORS: api_settings.NON_FIELD_ERRORS_KEY}
    return {names.get(name, camel(name)): messages for name, messages in error.message_dict.items()}
