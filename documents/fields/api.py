"""The REST API of a workspace's metadata fields."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from workspaces.access import workspace_for
from workspaces.models import Field, Role

from . import definitions as declared
from .filters import fields_to_filter


class FieldChanges(CamelCase):
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=60, required=False, help_text="The label that people see."
    )
    choices = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The allowed values of a text; empty: any text.",
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=60,
        required=False,
        allow_blank=True,
        help_text="The file property that fills the field if no user does: author, created, keywords, or the name of "
        "a meta tag or of a line in the front matter.",
    )


class NewField(FieldChanges):
    label = serializers.CharField(max_length=60, help_text="The label that people see.")
    name = serializers.CharField(
        max_length=30, required=False, help_text="The name in filters; absent: made from the label."
    )
    type = serializers.ChoiceField(Field.Type.choices, default=Field.Type.TEXT)


class FieldSerializer(CamelCase):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.ChoiceField(Field.Type.choices)
    choices = serializers.ListField(child=serializers.CharField())
    source = serializers.CharField()  # type: ignore[assignment]
    is_built_in = serializers.BooleanField(help_text="Every document has it; users cannot set it.")


class Fields(ApiView):
    pagination_class = None  # a workspace has few fields

    @extend_schema(
        summary="List the fields that documents can be filtered by",
        tags=["workspaces"],
        responses=FieldSerializer(many=True),
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id)
        rows = [
            {
                "name": each.name,
                "label": each.label,
                "type": each.type,
                "choices": [value for value, _ in each.choices],
                "source": each.source,
                "is_built_in": each.is_built_in,
            }
            for each in fields_to_filter(workspace).values()
        ]
        return Response(FieldSerializer(rows, many=True).data)

    @extend_schema(
        summary="Declare a field", tags=["workspaces"], request=NewField, responses={201: FieldSerializer}
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        field = declared.declare(workspace, self.user, **self.read(request, NewField))
        return Response(_as_json(field), status=201)


class OneField(ApiView):
    @extend_schema(
        summary="Change a field",
        description="Its name and type cannot change: for another type, delete the field and declare it again.",
        tags=["workspaces"],
        request=FieldChanges,
        responses=FieldSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID, field: str) -> Response:
        found = self._field(workspace_id, field)
        declared.change(found, self.user, **self.read(request, FieldChanges, partial=True))
        return Response(_as_json(found))

    @extend_schema(
        summary="Delete a field and its value on every document", tags=["workspaces"], responses={204: None}
    )
    def delete(self, request: Request, workspace_id: UUID, field: str) -> Response:
        declared.delete(self._field(workspace_id, field), self.user)
        return Response(status=204)

    def _field(self, workspace_id: UUID, name: str) -> Field:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        found = workspace.fields.select_related("workspace").filter(name=name).first()
        if found is None:
            raise Http404("There is no such field in this workspace.")
        return found


def _as_json(field: Field) -> Any:
    shown = {name: getattr(field, name) for name in ("name", "label", "type", "choices", "source")}
    return FieldSerializer(shown | {"is_built_in": False}).data
