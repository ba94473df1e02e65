from collections.abc import Callable
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from documents.access import documents_for
from documents.errors import DocumentRefused
from documents.fields.api_input import read_change
from documents.models import Document
from workspaces.access import workspace_for
from workspaces.models import Role

from .missing_pages import keep_missing, remove_missing
from .options import change_options
from .schedule import stop_visit
from .serializers import NewFeed, NewWebsite, SourceOptions, SourceSerializer
from .service import add_feed, add_website

_TELLS = (
    "A worker turns its pages into documents in the background: get it to see the progress. "
    "Adding the same address again returns the one that exists."
)


class _AddSource(ApiView):
    def add(self, request: Request, fields: type[CamelCase], create: Callable[..., Document]) -> Response:
        workspace = workspace_for(self.user, self.kwargs["workspace_id"], Role.EDITOR)
        asked = self.read(request, fields)
        about = read_change(self.user, workspace, asked)
        try:
            document = create(workspace, self.user, **asked, about=about)
        except DocumentRefused as refusal:
            raise ValidationError({"url": [str(refusal)]}) from refusal
        return Response(SourceSerializer(document).data, status=201)


class AddWebsite(_AddSource):
    @extend_schema(
        summary="Add a website",
        description=_TELLS,
        tags=["documents"],
        request=NewWebsite,
        responses={201: SourceSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return self.add(request, NewWebsite, add_website)


class AddFeed(_AddSource):
    @extend_schema(
        summary="Add an RSS or Atom feed",
        description=_TELLS,
        tags=["documents"],
        request=NewFeed,
        responses={201: SourceSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        return self.add(request, NewFeed, add_feed)


class OneSource(ApiView):
    serializer_class = SourceSerializer

    @extend_schema(
        summary="Get the progress of a website or feed, and the pages that failed", tags=["documents"]
    )
    def get(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        return Response(SourceSerializer(_source(self, Role.VIEWER)).data)

    @extend_schema(
        summary="Change how a website or feed is read",
        description="Applies to what is read next. The next visit removes pages that no longer belong to it.",
        tags=["documents"],
        request=SourceOptions,
        responses={200: SourceSerializer},
    )
    def patch(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _source(self, Role.EDITOR)
        try:
            change_options(document, self.user, **self.read(request, SourceOptions))
        except DocumentRefused as refusal:
            raise ValidationError(str(refusal)) from refusal
        return Response(SourceSerializer(document).data)


class StopSource(ApiView):
    @extend_schema(
        summary="Stop reading a website or feed",
        description="Pages that were read stay. Retry the document to read it again.",
        tags=["documents"],
        request=None,
        responses={200: SourceSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        document = _source(self, Role.EDITOR)
        stop_visit(document, self.user)
        return Response(SourceSerializer(_source(self, Role.EDITOR)).data)


class _Decide(ApiView):
    def decide(self, decision: Callable[[Document, User], int]) -> Response:
        try:
            decision(_source(self, Role.EDITOR), self.user)
        except DocumentRefused as refusal:
            raise ValidationError(str(refusal)) from refusal
        return Response(SourceSerializer(_source(self, Role.EDITOR)).data)


class RemoveMissing(_Decide):
    @extend_schema(
        summary="Remove the pages that the last visit did not find",
        description="Only while the source is held.",
        tags=["documents"],
        request=None,
        responses={200: SourceSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        return self.decide(remove_missing)


class KeepMissing(_Decide):
    @extend_schema(
        summary="Keep the pages that the last visit did not find",
        description="Only while the source is held. They stay as long as visits find the same.",
        tags=["documents"],
        request=None,
        responses={200: SourceSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, document_id: UUID) -> Response:
        return self.decide(keep_missing)


def _source(view: ApiView, role: Role) -> Document:
    workspace = workspace_for(view.user, view.kwargs["workspace_id"], role)
    documents = documents_for(view.user, workspace).select_related("source").filter(source__isnull=False)
    document = documents.filter(pk=view.kwargs["document_id"]).first()
    if document is None:
        raise Http404("There is no such website or feed in this workspace.")
    return document
