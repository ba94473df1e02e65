"""Export and import of conversations, and the deletion of all, over REST."""

from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from chat.asking import turns
from chat.asking.sessions import count_all, delete_all_sessions, session_for
from chat.errors import ImportRefused
from chat.models import Import
from chat.transfer import downloads, importer
from chat.transfer.conversations import describe
from core.rest.serializers import CamelCase

_AS = OpenApiParameter(
    "as", OpenApiTypes.STR, enum=downloads.FORMS, description="The form of the file; json if absent."
)
_FILE = {(200, "application/json"): OpenApiTypes.OBJECT, (200, "text/markdown"): OpenApiTypes.STR}
_CONFIRM = OpenApiParameter(
    "confirm", OpenApiTypes.STR, required=True, description="The word `delete`, so that no slip deletes all."
)


def _form(request: Request) -> downloads.Form:
    said = request.query_params.get("as", "json")
    for form in downloads.FORMS:
        if said == form:
            return form
    raise ParseError("as must be markdown or json.")


class ExportSessions(ApiView):
    @extend_schema(
        operation_id="sessions_export_all",
        summary="Export all your sessions",
        description="A JSON file in Ragsite's own format, which `POST /imports` reads. Sessions of chat completions are "
        "left out.",
        tags=["sessions"],
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> HttpResponseBase:
        return downloads.all_sessions(self.user)


class ExportSession(ApiView):
    @extend_schema(
        summary="Export a session",
        description="JSON holds all branches and versions; Markdown the path that was shown last, with its sources as "
        "footnotes. An answer that is withheld from you has neither words nor passages.",
        tags=["sessions"],
        parameters=[_AS],
        responses=_FILE,
    )
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        return downloads.session(self.user, session_for(self.user, session_id), _form(request))


class ExportAnswer(ApiView):
    @extend_schema(
        summary="Export an answer with its question", tags=["sessions"], parameters=[_AS], responses=_FILE
    )
    def get(self, request: Request, answer_id: UUID) -> HttpResponseBase:
        return downloads.answer(self.user, turns.answer_for(self.user, answer_id), _form(request))


class ImportSerializer(CamelCase):
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="The name of the file.")
    size_bytes = serializers.IntegerField()
    status = serializers.ChoiceField(Import.Status.choices)
    error = serializers.CharField(
        help_text="Why it ended early, as a sentence. What was imported before stays."
    )
    done = serializers.IntegerField(help_text="Conversations of the file that were looked at.")
    added = serializers.IntegerField(help_text="Conversations that are sessions now.")
    already_here = serializers.IntegerField(help_text="Conversations that were here already.")
    left_out = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many things were left out, by kind."
    )
    left_out_words = serializers.SerializerMethodField(
        method_name="get_left_out_words", help_text="The same in words."
    )
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_left_out_words(self, row: Import) -> list[str]:
        return describe(row.left_out)


class NewImport(CamelCase):
    file = serializers.FileField(help_text="JSON of Ragsite's own format, or ChatGPT's export: ZIP or JSON.")


class Imports(ListModelMixin, ApiView):
    serializer_class = ImportSerializer
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> QuerySet[Import]:
        return importer.imports_for(self.user)

    @extend_schema(summary="List your imports", tags=["sessions"])
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        summary="Import conversations",
        description="The file is read by a worker: look at the import until its status is finished or failed. A "
        "conversation that is here already is not imported again.",
        tags=["sessions"],
        request={"multipart/form-data": NewImport},
        responses={202: ImportSerializer},
    )
    def post(self, request: Request) -> Response:
        try:
            row = importer.begin(self.user, self.read(request, NewImport)["file"])
        except ImportRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return Response(ImportSerializer(row).data, status=202)


class OneImport(ApiView):
    @extend_schema(summary="Read an import", tags=["sessions"], responses=ImportSerializer)
    def get(self, request: Request, import_id: UUID) -> Response:
        return Response(
            ImportSerializer(get_object_or_404(importer.imports_for(self.user), pk=import_id)).data
        )


class DeletedSessions(CamelCase):
    deleted = serializers.IntegerField(
        help_text="How many sessions there were. All are out of reach at once."
    )


class AllSessions(ApiView):
    @extend_schema(
        summary="Delete all your sessions",
        description="Deletes all sessions, those of chat completions too, and the list of imports.",
        tags=["sessions"],
        parameters=[_CONFIRM],
        responses=DeletedSessions,
    )
    def delete(self, request: Request) -> Response:
        if request.query_params.get("confirm") != "delete":
            count = count_all(self.user)["sessions"]
            raise ParseError(f"This deletes {count:,} sessions: send confirm=delete to do it.")
        return Response({"deleted": delete_all_sessions(self.user)})
