"""How the REST API speaks, in one place.

Fields are camelCase outside and snake_case inside. A field nobody knows is refused by its name, so that
a typing error never passes silently. Errors are `{"detail": "..."}` or one list of sentences per field.
"""

from collections.abc import Mapping
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

from .models import ApiKey, User

_FieldOf = serializers.Field[Any, Any, Any, Any]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class CamelCase(serializers.Serializer[Any]):
    """A serializer whose declared names are ours and whose spoken names are camelCase."""

    def get_fields(self) -> dict[str, _FieldOf]:
        return dict(_spoken(name, field) for name, field in super().get_fields().items())

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            writable = [name for name, field in self.fields.items() if not field.read_only]
            if unknown := sorted(set(data) - set(writable)):
                sentence = f"Unknown field. Choose from: {', '.join(writable)}."
                raise serializers.ValidationError({name: [sentence] for name in unknown})
        return super().to_internal_value(data)


def _spoken(name: str, field: _FieldOf) -> tuple[str, _FieldOf]:
    spoken = camel(name)
    if spoken != name and field.source is None:
        field.source = name
    return spoken, field


class Pages(LimitOffsetPagination):
    default_limit = 50
    max_limit = 200  # a larger `limit` gets this many


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"


class ApiView(GenericAPIView[Any]):
    """What every view of the API builds on: typed access to the user, and errors in the API's form."""

    serializer_class = CamelCase
    pagination_class: type[Pages] | None = Pages

    @property
    def user(self) -> User:
        """The person or program that asks; the permission has made sure that there is one."""
        return cast(User, self.request.user)

    @property
    def key(self) -> ApiKey | None:
        """The key they came with; None: they came through the login."""
        return cast(ApiKey | None, self.request.auth)

    def read(
        self, request: Request, serializer: type[serializers.Serializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the checked body. Raises ValidationError with a list of sentences per field.

        partial: nothing is required; what is absent stays as it is.
        """
        checked = serializer(data=request.data, partial=partial, context=self.get_serializer_context())
        checked.is_valid(raise_exception=True)
        return cast(dict[str, Any], checked.validated_data)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ModelValidationError):
            exc = serializers.ValidationError(_by_spoken_name(exc))
        if isinstance(exc, ObjectDoesNotExist):  # it was there when this request looked it up
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
