"""Serializers of the REST API: fields are camelCase in JSON and snake_case in Python.

An unknown field is rejected by its name, so that a typo never passes silently.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

_FieldOf = serializers.Field[Any, Any, Any, Any]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class CamelCase(serializers.Serializer[Any]):
    """A serializer that declares its fields in snake_case and exposes them in camelCase."""

    def get_fields(self) -> dict[str, _FieldOf]:
        return dict(_camel_field(name, field) for name, field in super().get_fields().items())

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            writable = [name for name, field in self.fields.items() if not field.read_only]
            if unknown := sorted(set(data) - set(writable)):
                sentence = f"Unknown field. Choose from: {', '.join(writable)}."
                raise serializers.ValidationError({name: [sentence] for name in unknown})
        return super().to_internal_value(data)


def _camel_field(name: str, field: _FieldOf) -> tuple[str, _FieldOf]:
    spoken = camel(name)
    if spoken != name and field.source is None:
        field.source = name
    return spoken, field
