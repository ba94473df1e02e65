from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from workspaces.access import workspace_for
from workspaces.models import Role, Workspace

from . import intake
from .models import Document
from .retrieval import RetrievalFailed, Scope, search
from .serializers import (
    MAX_PASSAGES,
    DocumentChanges,
    DocumentSerializer,
    FileUpload,
    SearchReply,
    SearchRequest,
)

_STATUS = OpenApiParameter(
    "status", OpenApiTypes.STR, enum=Document.Status.values, description="Only documents in this state."
)
_TOKENS_PER_PASSAGE = 2000  # so that `limit` decides, not the budget of a prompt


class SearchFailed(APIException):
    status_code = 503
    default_code = "search_failed"


class Documents(ListModelMixin, ApiView):
    serializer_class = DocumentSerializer
    queryset = Document.objects.none()  # for the schema; get() says which

    def get_queryset(self) -> QuerySet[Document]:
        workspace = workspace_for(self.user, self.kwargs["workspace_id"])
        found = workspace.documents.order_by("-created_at", "pk")
        if kind := self.kwargs.get("kind"):
            found = found.filter(kind=_known(kind, Document.Kind.values, "kind of document"))
        if status := self.request.query_params.get("status"):
            if status not in Document.Status.values:
                raise ValidationError({"status": [f"Choose one of: {', '.join(Document.Status.values)}."]})
            found = found.filter(status=status)
        return found

    @extend_schema(summary="List the documents", tags=["documents"], parameters=[_STATUS])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return self.list(request)


class DocumentsOfKind(Documents):
    @extend_schema(
        summary="List the documents of one kind",
        tags=["documents"],
        operation_id="workspaces_documents_of_kind",
        parameters=[_STATUS, OpenApiParameter("kind", OpenApiTypes.STR, "path", enum=Document.Kind.values)],
    )
    def get(self, request: Request, workspace_id: UUID, kind: str) -> Response:  # type: ignore[override]
        return self.list(request)


def _known(value: str, values: list[str], what: str) -> str:
    if value not in values:
        raise Http404(f"There is no {what} {value!r}. Choose one of: {', '.join(values)}.")
    return value


class UploadFile(ApiView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        summary="Add a file",
        description="It becomes searchable in the background: read the document to see how far it is. "
        "The same file under the same title is added once.",
        tags=["documents"],
        request=FileUpload,
        responses={201: DocumentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, FileUpload)
        file = fields["file"]
        document = _add(workspace, self, file, fields.get("title") or file.name, fields.get("language"))
        return Response(DocumentSerializer(document).data, status=201)


def _add(workspace: Workspace, view: ApiView, file: Any, title: str, language: str | None) -> Document:
    try:
        return intake.add_file(workspace, view.user, file, title, language)
    except intake.Refused as refusal:
        raise ValidationError({"file": [str(refusal)]}) from refusal


class OneDocument(ApiView):
    serializer_class = DocumentSerializer

    @extend_schema(summary="Read a document's state", tags=["documents"])
    def get(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        return Response(DocumentSerializer(_document(self, Role.VIEWER)).data)

    @extend_schema(
        summary="Say what a document is written in",
        description="It is read again, and stays searchable meanwhile.",
        tags=["documents"],
        request=DocumentChanges,
        responses={202: DocumentSerializer},
    )
    def patch(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _document(self, Role.EDITOR)
        try:
            intake.correct_language(document, self.user, self.read(request, DocumentChanges)["language"])
        except intake.Refused as refusal:
            raise ValidationError({"language": [str(refusal)]}) from refusal
        document.refresh_from_db()
        return Response(DocumentSerializer(document).data, status=202)

    @extend_schema(
        summary="Delete a document, its chunks and its file", tags=["documents"], responses={204: None}
    )
    def delete(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        intake.delete(_document(self, Role.EDITOR), self.user)
        return Response(status=204)


class RetryDocument(ApiView):
    @extend_schema(
        summary="Ingest a document again",
        tags=["documents"],
        request=None,
        responses={202: DocumentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _document(self, Role.EDITOR)
        intake.retry(document, self.user)
        document.refresh_from_db()
        return Response(DocumentSerializer(document).data, status=202)


def _document(view: ApiView, role: Role) -> Document:
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], role)
    document = workspace.documents.filter(pk=view.kwargs["document_id"]).first()
    if document is None:
        raise Http404("There is no such document in this workspace.")
    return document


class SemanticSearch(ApiView):
    @extend_schema(
        summary="Find passages", tags=["search"], request=SearchRequest, responses={200: SearchReply}
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, SearchRequest)
        workspace = workspace_for(self.user, asked["workspace_id"])
        budget = MAX_PASSAGES * _TOKENS_PER_PASSAGE
        try:
            found = async_to_sync(search)(
                Scope(workspace), asked["query"], limit=asked["limit"], token_budget=budget
            )
        except RetrievalFailed as failure:
            raise SearchFailed(str(failure)) from failure
        return Response(SearchReply(found).data)
