"""The REST API of a workspace's reindex: estimate, progress, and the decision about failed documents."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from documents.errors import ReindexRefused
from models_registry.models import Endpoint
from models_registry.serializers import ModelName
from workspaces.access import workspace_for
from workspaces.models import ChunkingStrategy, Metric, Parser, Role
from workspaces.serializers import LanguageField, ModelReference

from . import service as reindex

# --- the next index -----------------------------------------------------------------------------


class IndexSettings(CamelCase):
    """The settings of the next index. Absent settings stay as they are."""

    embedder = ModelName(Endpoint.Kind.EMBEDDING, help_text="Name or id of an embedding model.")
    languages = serializers.ListField(
        child=LanguageField(),
        min_length=1,
        max_length=3,
        help_text="ISO 639-1 codes.",
    )
    parser = serializers.ChoiceField(Parser.choices)
    chunking = serializers.ChoiceField(ChunkingStrategy.choices)
    chunk_size = serializers.IntegerField(help_text="Characters, 101 to 9,999.")
    chunk_overlap = serializers.IntegerField(min_value=0, help_text="Characters, below the size.")
    metric = serializers.ChoiceField(Metric.choices)


class ReindexChanges(CamelCase):
    retry_failed = serializers.BooleanField(required=False, help_text="Try the documents that failed again.")
    may_lose = serializers.BooleanField(
        required=False, help_text="Let the new index take over without the documents that failed."
    )


class EstimateSerializer(CamelCase):
    documents = serializers.IntegerField()
    chunks = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="Tokens to embed; 0 if every chunk keeps its vector.")
    cost = serializers.DecimalField(12, 4, help_text="US dollars, from the model's price.")
    seconds = serializers.FloatField(help_text="With one worker.")
    is_measured = serializers.BooleanField(
        help_text="false: this site has not used the model yet, so the time is a guess."
    )


class ProgressSerializer(CamelCase):
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Searchable now, but failed for the next index.")
    percent = serializers.IntegerField()
    waits_for_people = serializers.BooleanField(
        help_text="Only failed documents are left. Decide what to do with PATCH."
    )


class ReindexSerializer(CamelCase):
    embedder = ModelReference()
    languages = serializers.ListField(child=serializers.CharField())
    parser = serializers.CharField()
    chunking = serializers.CharField()
    chunk_size = serializers.IntegerField()
    chunk_overlap = serializers.IntegerField()
    metric = serializers.CharField()
    started_at = serializers.DateTimeField()
    progress = serializers.SerializerMethodField()

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, building: Any) -> Any:
        return ProgressSerializer(reindex.progress(building)).data


class ReindexReply(CamelCase):
    building = ReindexSerializer(allow_null=True, help_text="The index that is being built, or null.")
    estimate = EstimateSerializer(
        help_text="The cost and time of a new index with the settings in the query."
    )


class Busy(APIException):
    status_code = 409
    default_code = "busy"


class WorkspaceReindex(ApiView):
    @extend_schema(
        summary="Get the index that is being built, and an estimate for a new one",
        description="Put settings in the query to get the estimate for them.",
        tags=["workspaces"],
        parameters=[IndexSettings],
        responses=ReindexReply,
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        estimate = reindex.estimate(workspace, **_settings(self, request.query_params))
        reply = {"building": reindex.running(workspace), "estimate": estimate}
        return Response(ReindexReply(reply).data)

    @extend_schema(
        summary="Build a new index",
        description="Search uses the current index until the new one holds every document and replaces it.",
        tags=["workspaces"],
        request=IndexSettings,
        responses={202: ReindexSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        try:
            building = reindex.start(workspace, self.user, **_settings(self, request.data))
        except ReindexRefused as refusal:
            raise Busy(str(refusal)) from refusal
        return Response(ReindexSerializer(building).data, status=202)

    @extend_schema(
        summary="Decide what happens to documents that failed",
        tags=["workspaces"],
        request=ReindexChanges,
        responses=ReindexSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        building = reindex.running(workspace_for(self.user, workspace_id, Role.MANAGER))
        if building is None:
            raise Http404("No index is being built here.")
        asked = self.read(request, ReindexChanges)
        if asked.get("retry_failed"):
            reindex.retry_failed(building)
        if asked.get("may_lose"):
            reindex.accept_losses(building, self.user)
        return Response(ReindexSerializer(building).data)

    @extend_schema(summary="Cancel the index that is being built", tags=["workspaces"], responses={204: None})
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        if not reindex.cancel(workspace_for(self.user, workspace_id, Role.MANAGER), self.user):
            raise Http404("No index is being built here.")
        return Response(status=204)


def _settings(view: ApiView, data: Any) -> dict[str, Any]:
    checked = IndexSettings(data=data, partial=True, context=view.get_serializer_context())
    checked.is_valid(raise_exception=True)
    return {name: value for name, value in checked.validated_data.items() if value is not None}
