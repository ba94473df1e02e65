"""The ledger over REST: dead letters, the next index of a workspace, and how ingestion stands as a whole."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from models_registry.models import Endpoint
from models_registry.serializers import ModelName
from workspaces.access import workspace_for
from workspaces.models import ChunkingStrategy, Metric, Parser, Role
from workspaces.serializers import LANGUAGE_CODES, ModelReference

from . import alarm, reindex
from .access import documents_for
from .dead_letters import discard, replay
from .models import Document
from .serializers import DocumentSerializer
from .states import StateOfDocument

# --- the next index -----------------------------------------------------------------------------


class IndexSettings(CamelCase):
    """What the next index is made with. What is absent stays as it is."""

    embedder = ModelName(Endpoint.Kind.EMBEDDING, help_text="Name or id of an embedding model.")
    languages = serializers.ListField(
        child=serializers.ChoiceField(LANGUAGE_CODES),
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
    tokens = serializers.IntegerField(help_text="To embed; 0 when every chunk keeps its vector.")
    cost = serializers.DecimalField(12, 4, help_text="US dollars, by the model's price.")
    seconds = serializers.FloatField(help_text="With one worker.")
    is_measured = serializers.BooleanField(
        help_text="false: nobody has used this model here, so the time is a guess."
    )


class ProgressSerializer(CamelCase):
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Findable now, and not readable for the next index.")
    percent = serializers.IntegerField()
    waits_for_people = serializers.BooleanField(
        help_text="Only failed ones are left: say what to do, with PATCH."
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
    building = ReindexSerializer(allow_null=True, help_text="The index that is being built; null: none.")
    estimate = EstimateSerializer(help_text="What building one with the settings in the query would take.")


class Busy(APIException):
    status_code = 409
    default_code = "busy"


class WorkspaceReindex(ApiView):
    @extend_schema(
        summary="See the index that is being built, or what one would take",
        description="Put settings in the query to see the estimate for them.",
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
        summary="Build a new index beside the one that answers",
        description="It takes over once it holds every document. Search keeps working meanwhile.",
        tags=["workspaces"],
        request=IndexSettings,
        responses={202: ReindexSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        try:
            building = reindex.start(workspace, self.user, **_settings(self, request.data))
        except reindex.Refused as refusal:
            raise Busy(str(refusal)) from refusal
        return Response(ReindexSerializer(building).data, status=202)

    @extend_schema(
        summary="Say what becomes of documents that failed",
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


# --- dead letters -------------------------------------------------------------------------------


class Chosen(CamelCase):
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)
    all = serializers.BooleanField(required=False, help_text="true: every one on the list, instead of ids.")


class Count(CamelCase):
    count = serializers.IntegerField(help_text="How many it was done to.")


class DeadLetters(ListModelMixin, ApiView):
    serializer_class = DocumentSerializer
    queryset = Document.objects.none()  # for the schema; get() says which

    def get_queryset(self) -> QuerySet[Document]:
        workspace = workspace_for(self.user, self.kwargs["workspace_id"])
        return documents_for(self.user, workspace).filter(status=Document.Status.FAILED)

    @extend_schema(summary="List the documents that failed, each with the reason", tags=["documents"])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return self.list(request)


class ReplayDeadLetters(ApiView):
    @extend_schema(
        summary="Ingest failed documents again", tags=["documents"], request=Chosen, responses={202: Count}
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return Response({"count": replay(_chosen(self, request), self.user)}, status=202)


class DiscardDeadLetters(ApiView):
    @extend_schema(
        summary="Delete failed documents", tags=["documents"], request=Chosen, responses={200: Count}
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return Response({"count": discard(_chosen(self, request), self.user)})


def _chosen(view: ApiView, request: Request) -> QuerySet[Document]:
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], Role.EDITOR)
    asked = view.read(request, Chosen)
    found = documents_for(view.user, workspace)
    if asked.get("all"):
        return found
    if "ids" not in asked:
        raise ValidationError({"ids": ["Say which: a list of ids, or all: true."]})
    return found.filter(pk__in=asked["ids"])


# --- as a whole ---------------------------------------------------------------------------------


class AlarmSerializer(CamelCase):
    kind = serializers.CharField()
    count = serializers.IntegerField()
    since = serializers.DateTimeField()
    sentence = serializers.CharField(help_text="What is wrong, and what to do.")


class IngestionReply(CamelCase):
    waiting = serializers.IntegerField()
    working = serializers.IntegerField()
    stuck = serializers.IntegerField()
    failed = serializers.IntegerField()
    ready = serializers.IntegerField()
    alarms = AlarmSerializer(many=True)


class Ingestion(ApiView):
    @extend_schema(
        summary="How ingestion stands, over all workspaces",
        description="For operators.",
        tags=["documents"],
        responses=IngestionReply,
    )
    def get(self, request: Request) -> Response:
        if not self.user.is_operator:
            raise PermissionDenied("This is for operators.")
        return Response(IngestionReply(StateOfDocument.counts() | {"alarms": alarm.report()}).data)
