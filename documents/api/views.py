import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from documents.access import document_for, documents_for
from documents.adding import service as intake
from documents.adding import uploads
from documents.adding.pairs import Pair, add_pairs, read_pairs
from documents.adding.validation import pair_of, text_of, validate_pair, validate_text
from documents.errors import DocumentRefused, NothingUploaded, RetrievalFailed
from documents.fields.api_input import field_errors, read_change
from documents.fields.filters import matching
from documents.fields.metadata import MetadataChange, update_metadata
from documents.ingestion.deletion import delete_document
from documents.ingestion.restart import restart
from documents.models import Document, Upload
from documents.parsing.media_types import MARKDOWN
from documents.retrieval.search_history import search_and_record, search_for
from workspaces.access import workspace_for
from workspaces.models import Role, Workspace

from .serializers import (
    FILTERS_HELP,
    MAX_PASSAGES,
    DocumentChanges,
    DocumentSerializer,
    FileUpload,
    NewPairs,
    NewText,
    NewUpload,
    PairsFile,
    PairsReply,
    QuestionAndAnswer,
    SearchReply,
    SearchRequest,
    StoredSearch,
    UploadedFile,
    UploadSerializer,
    WrittenText,
)

_STATUS = OpenApiParameter(
    "status", OpenApiTypes.STR, enum=Document.Status.values, description="Only documents in this state."
)
_FILTERS = OpenApiParameter(
    "filters", OpenApiTypes.STR, description=f"{FILTERS_HELP} As JSON. It also lists pages and posts."
)
_TOKENS_PER_PASSAGE = 2000  # high enough that `limit` decides, not the token budget


class SearchFailed(APIException):
    status_code = 503
    default_code = "search_failed"
    wait = 5  # seconds; sent as Retry-After


class Documents(ListModelMixin, ApiView):
    serializer_class = DocumentSerializer
    queryset = Document.objects.none()  # for the schema; get_queryset() decides

    def get_queryset(self) -> QuerySet[Document]:
        workspace = workspace_for(self.user, self.kwargs["workspace_id"])
        found = documents_for(self.user, workspace).order_by("-created_at", "pk")
        if kind := self.kwargs.get("kind"):
            found = found.filter(kind=_require_known(kind, Document.Kind.values, "kind of document"))
        if status := self.request.query_params.get("status"):
            if status not in Document.Status.values:
                raise ValidationError({"status": [f"Choose one of: {', '.join(Document.Status.values)}."]})
            found = found.filter(status=status)
        return self._filter_rows(found, workspace)

    def _filter_rows(self, found: QuerySet[Document], workspace: Workspace) -> QuerySet[Document]:
        try:
            said = json.loads(self.request.query_params.get("filters") or "{}")
        except (ValueError, RecursionError) as error:
            raise ValidationError({"filters": ['Send JSON, as in {"department": ["legal"]}.']}) from error
        with field_errors("filters"):
            return matching(found, workspace, said)

    @extend_schema(summary="List the documents", tags=["documents"], parameters=[_STATUS, _FILTERS])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return self.list(request)


class DocumentsOfKind(Documents):
    @extend_schema(
        summary="List the documents of one kind",
        tags=["documents"],
        operation_id="workspaces_documents_of_kind",
        parameters=[
            _STATUS,
            _FILTERS,
            OpenApiParameter("kind", OpenApiTypes.STR, "path", enum=Document.Kind.values),
        ],
    )
    def get(self, request: Request, workspace_id: UUID, kind: str) -> Response:  # type: ignore[override]
        return self.list(request)


def _require_known(value: str, values: list[str], what: str) -> str:
    if value not in values:
        raise Http404(f"There is no {what} {value!r}. Choose one of: {', '.join(values)}.")
    return value


class UploadFile(ApiView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        summary="Add a file",
        description="The file becomes searchable in the background: read the document to see its progress. "
        "Idempotent: the same file under the same title is added once.",
        tags=["documents"],
        request=FileUpload,
        responses={201: DocumentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, FileUpload)
        file = fields["file"]
        about = read_change(self.user, workspace, fields)
        document = _add(
            workspace, self, file, fields.get("title") or file.name, fields.get("language"), about
        )
        return Response(DocumentSerializer(document).data, status=201)


def _add(
    workspace: Workspace, view: ApiView, file: Any, title: str, language: str | None, about: MetadataChange
) -> Document:
    with _refusals("file"):
        return intake.add_file(workspace, view.user, file, title, language, about=about)


@contextmanager
def _refusals(field: str) -> Iterator[None]:
    """Report a refusal as an error of this request field."""
    try:
        yield
    except DocumentRefused as refusal:
        raise ValidationError({field: [str(refusal)]}) from refusal


class AddText(ApiView):
    @extend_schema(
        summary="Add a text",
        description="The text becomes searchable in the background. Idempotent: the same text under the same title "
        "is added once.",
        tags=["documents"],
        request=NewText,
        responses={201: DocumentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, NewText)
        about = read_change(self.user, workspace, fields)
        with _refusals("text"):
            document = intake.add_text(workspace, self.user, **fields, about=about)
        return Response(DocumentSerializer(document).data, status=201)


class AddPairs(ApiView):
    @extend_schema(
        summary="Add questions with their answers",
        description="Each pair becomes a document: searches match its question and quote both. A refused pair does "
        "not stop the others.",
        tags=["documents"],
        request=NewPairs,
        responses={201: PairsReply},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, NewPairs)
        pairs = [Pair(row, each["question"], each["answer"]) for row, each in enumerate(fields["pairs"], 1)]
        return _add_pairs(self, workspace, pairs, fields, "pairs")


class AddPairsFile(ApiView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        summary="Add questions with their answers from a CSV file",
        tags=["documents"],
        request=PairsFile,
        responses={201: PairsReply},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, PairsFile)
        with _refusals("file"):
            pairs = read_pairs(fields["file"])
        return _add_pairs(self, workspace, pairs, fields, "file")


def _add_pairs(
    view: ApiView, workspace: Workspace, pairs: list[Pair], fields: dict[str, Any], field: str
) -> Response:
    about = read_change(view.user, workspace, fields)
    with _refusals(field):
        outcomes = add_pairs(workspace, view.user, pairs, fields.get("language"), about)
    taken = sum(each.document is not None for each in outcomes)
    reply = {"added": taken, "refused": len(outcomes) - taken, "pairs": outcomes}
    return Response(PairsReply(reply).data, status=201)


class Content(ApiView):
    """The content of a document that was written here: a text, or a question with its answer."""

    _KINDS = PolymorphicProxySerializer(
        component_name="Written", serializers=[WrittenText, QuestionAndAnswer], resource_type_field_name=None
    )

    @extend_schema(summary="Read a text or a pair as it was written", tags=["documents"], responses=_KINDS)
    def get(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _written_document(self, Role.VIEWER)
        if document.kind == Document.Kind.QA:
            question, answer = pair_of(document)
            return Response({"question": question, "answer": answer})
        is_markdown = document.media_type == MARKDOWN.name
        return Response({"title": document.title, "text": text_of(document), "isMarkdown": is_markdown})

    @extend_schema(
        summary="Change a text or a pair",
        description="The old version stays searchable until the new one is ready.",
        tags=["documents"],
        request=_KINDS,
        responses={202: DocumentSerializer},
    )
    def put(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _written_document(self, Role.EDITOR)
        is_pair = document.kind == Document.Kind.QA
        fields = self.read(request, QuestionAndAnswer if is_pair else WrittenText)
        with _refusals("answer" if is_pair else "text"):
            content = validate_pair(**fields) if is_pair else validate_text(**fields)
            changed = intake.change(document, self.user, content)
        return Response(DocumentSerializer(changed).data, status=202)


def _written_document(view: ApiView, role: Role) -> Document:
    document = _document(view, role)
    if document.kind not in Document.WRITTEN:
        raise Http404(
            "Only texts and questions with answers can be changed here. Add a new version of the file."
        )
    return document


# --- direct uploads -------------------------------------------------------------------------------


class NothingArrived(APIException):
    status_code = 409
    default_code = "nothing_arrived"


class Uploads(ApiView):
    @extend_schema(
        summary="Begin an upload",
        description="Next, POST the file to `url` as multipart/form-data: the fields of `form`, then `file` last. "
        "With a bucket, `url` is the bucket's; otherwise it is on this site and needs your API key. Then complete "
        "the upload.",
        tags=["documents"],
        request=NewUpload,
        responses={201: UploadSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        fields = self.read(request, NewUpload)
        about = read_change(self.user, workspace, fields)
        with _refusals("name"):
            upload = uploads.begin(workspace, self.user, **fields, about=about)
        to = uploads.destination(upload)
        expires_at = upload.created_at + Upload.LIFETIME
        reply = {"id": upload.pk, "url": to.url, "form": to.fields, "expires_at": expires_at}
        return Response(UploadSerializer(reply).data, status=201)


class OneUpload(ApiView):
    @extend_schema(summary="Cancel an upload", tags=["documents"], responses={204: None})
    def delete(self, request: Request, workspace_id: UUID, upload_id: UUID) -> Response:
        _upload(self).delete()
        return Response(status=204)


class ReceiveUpload(ApiView):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        summary="Send the file if there is no bucket",
        tags=["documents"],
        request=UploadedFile,
        responses={204: None},
    )
    def post(self, request: Request, workspace_id: UUID, upload_id: UUID) -> Response:
        upload = _upload(self)
        file = self.read(request, UploadedFile)["file"]
        with _refusals("file"):
            uploads.receive(upload, file)
        return Response(status=204)


class CompleteUpload(ApiView):
    @extend_schema(
        summary="Complete an upload",
        description="Validates the file and makes it a document. Idempotent: a second call returns the same document.",
        tags=["documents"],
        request=None,
        responses={201: DocumentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, upload_id: UUID) -> Response:
        try:
            with _refusals("file"):
                document = uploads.complete(_upload(self).pk)
        except NothingUploaded as error:
            raise NothingArrived(str(error)) from error
        return Response(DocumentSerializer(document).data, status=201)


def _upload(view: ApiView) -> Upload:
    """Return the upload. Only the user who began it has access: no other user knows where the file goes."""
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], Role.EDITOR)
    upload = workspace.uploads.filter(pk=view.kwargs["upload_id"], created_by=view.user).first()
    if upload is None:
        raise Http404("There is no such upload. Begin a new one.")
    return upload


class OneDocument(ApiView):
    serializer_class = DocumentSerializer

    @extend_schema(summary="Read a document's state", tags=["documents"])
    def get(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        return Response(DocumentSerializer(_document(self, Role.VIEWER)).data)

    @extend_schema(
        summary="Edit the fields of a document, or set its language",
        description="New field values apply at once, also to the pages of a website and the posts of a feed. "
        "After a change of language the document is read again, and stays searchable meanwhile.",
        tags=["documents"],
        request=DocumentChanges,
        responses={202: DocumentSerializer},
    )
    def patch(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _document(self, Role.EDITOR)
        asked = self.read(request, DocumentChanges)
        if said := read_change(self.user, document.workspace, asked):
            with field_errors("accessLevel"):
                update_metadata(document.workspace, self.user, [document.pk], said)
        if "language" in asked:
            with _refusals("language"):
                intake.correct_language(document, self.user, asked["language"])
        document.refresh_from_db()
        return Response(DocumentSerializer(document).data, status=202)

    @extend_schema(
        summary="Delete a document, its chunks and its file", tags=["documents"], responses={204: None}
    )
    def delete(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        delete_document(_document(self, Role.EDITOR), self.user)
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
        restart(document, self.user)
        document.refresh_from_db()
        return Response(DocumentSerializer(document).data, status=202)


def _document(view: ApiView, role: Role) -> Document:
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], role)
    return document_for(view.user, workspace, view.kwargs["document_id"])


class SemanticSearch(ApiView):
    @extend_schema(
        summary="Find passages",
        description="The trace of the search is kept for a while under `id`.",
        tags=["search"],
        request=SearchRequest,
        responses={200: SearchReply},
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, SearchRequest)
        workspace = workspace_for(self.user, asked["workspace_id"])
        budget = MAX_PASSAGES * _TOKENS_PER_PASSAGE
        how = {"limit": asked["limit"], "token_budget": budget}
        try:
            with field_errors("filters"):
                kept, found = search_and_record(self.user, workspace, asked["query"], asked["filters"], **how)
        except RetrievalFailed as failure:
            raise SearchFailed(str(failure)) from failure
        reply = {
            "id": kept.pk,
            "outcome": found.outcome,
            "passages": found.passages,
            "trace": found.trace.as_json(),
        }
        return Response(SearchReply(reply).data)


class OneSearch(ApiView):
    @extend_schema(
        summary="Read the trace of a search",
        description="For your own searches and those in workspaces you manage; kept for "
        f"{settings.SEARCHES_KEPT_DAYS} days.",
        tags=["search"],
        responses={200: StoredSearch},
    )
    def get(self, request: Request, search_id: UUID) -> Response:
        return Response(StoredSearch(search_for(self.user, search_id)).data)
