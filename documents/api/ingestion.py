"""The REST API of ingestion: the dead-letter list, and the overall state."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from documents.access import documents_for
from documents.ingestion import health
from documents.ingestion.dead_letters import discard, replay
from documents.ingestion.endpoint_waits import find_endpoint_alarms
from documents.models import Document
from documents.status_filters import StateOfDocument
from workspaces.access import workspace_for
from workspaces.models import Role

from .serializers import DocumentSerializer


class ChosenDocuments(CamelCase):
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)
    all = serializers.BooleanField(required=False, help_text="true: all failed documents, instead of ids.")


class Count(CamelCase):
    count = serializers.IntegerField(help_text="How many documents were affected.")


class DeadLetters(ListModelMixin, ApiView):
    serializer_class = DocumentSerializer
    queryset = Document.objects.none()  # for the schema; get_queryset() decides

    def get_queryset(self) -> QuerySet[Document]:
        workspace = workspace_for(self.user, self.kwargs["workspace_id"])
        return documents_for(self.user, workspace).filter(status=Document.Status.FAILED)

    @extend_schema(summary="List the documents that failed, each with the reason", tags=["documents"])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return self.list(request)


class ReplayDeadLetters(ApiView):
    @extend_schema(
        summary="Ingest failed documents again",
        tags=["documents"],
        request=ChosenDocuments,
        responses={202: Count},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return Response({"count": replay(_find_chosen(self, request), self.user)}, status=202)


class DiscardDeadLetters(ApiView):
    @extend_schema(
        summary="Delete failed documents", tags=["documents"], request=ChosenDocuments, responses={200: Count}
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return Response({"count": discard(_find_chosen(self, request), self.user)})


def _find_chosen(view: ApiView, request: Request) -> QuerySet[Document]:
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], Role.EDITOR)
    asked = view.read(request, ChosenDocuments)
    found = documents_for(view.user, workspace)
    if asked.get("all"):
        return found
    if "ids" not in asked:
        raise ValidationError({"ids": ["Choose the documents: a list of ids, or all: true."]})
    return found.filter(pk__in=asked["ids"])


# --- the overall state --------------------------------------------------------------------------


class AlarmSerializer(CamelCase):
    kind = serializers.CharField()
    count = serializers.IntegerField()
    since = serializers.DateTimeField()
    sentence = serializers.CharField(help_text="The problem and what to do about it.")


class IngestionReply(CamelCase):
    waiting = serializers.IntegerField()
    working = serializers.IntegerField()
    stuck = serializers.IntegerField()
    failed = serializers.IntegerField()
    ready = serializers.IntegerField()
    alarms = AlarmSerializer(many=True)


class Ingestion(ApiView):
    @extend_schema(
        summary="Read the state of ingestion in all workspaces",
        description="For operators.",
        tags=["documents"],
        responses=IngestionReply,
    )
    def get(self, request: Request) -> Response:
        if not self.user.is_operator:
            raise PermissionDenied("Only operators can read this.")
        return Response(
            IngestionReply(
                StateOfDocument.counts() | {"alarms": health.report_alarms() + find_endpoint_alarms()}
            ).data
        )
