"""The REST API of folders, of what puts sessions in order, and of the search over them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest import ApiView
from chat.asking.sessions import pin_session, rename_session, session_for
from chat.errors import ChatError, NameRefused, QuestionRefused
from chat.finding.conversation_search import search_conversations
from chat.models import Session
from chat.organizing import folders
from chat.organizing.archive import archive_session
from chat.organizing.folders import put_into_folder
from chat.organizing.tags import set_tags
from core.text import storable, uuid_or_none

from .serializers import FolderSerializer, SearchResultSerializer

_FOUND_PER_REPLY = 50
_BOOLEANS = {"true": True, "false": False}
_NO_FOLDER = "none"
_TAG = OpenApiParameter("tag", OpenApiTypes.STR, description="Only sessions with this tag.")
FILTERS = [
    OpenApiParameter(
        "folder",
        OpenApiTypes.STR,
        description="Only sessions in the folder with this id; none: in no folder.",
    ),
    _TAG,
    OpenApiParameter(
        "archived", OpenApiTypes.BOOL, description="Only archived sessions, or only others. If absent, all."
    ),
]


def filter_sessions(sessions: QuerySet[Session], given: Mapping[str, str]) -> QuerySet[Session]:
    """Return the sessions that FILTERS leave. Raises ParseError for a value that is not valid."""
    if (archived := given.get("archived")) is not None:
        if archived not in _BOOLEANS:
            raise ParseError("archived must be true or false.")
        sessions = sessions.filter(is_archived=_BOOLEANS[archived])
    if (folder := given.get("folder")) is not None:
        if folder != _NO_FOLDER and not uuid_or_none(folder):
            raise ParseError("folder must be the id of a folder, or none.")
        sessions = sessions.filter(folder=uuid_or_none(folder))
    if tag := storable(given.get("tag", "")):
        sessions = sessions.filter(tags__name__iexact=tag)
    return sessions


@transaction.atomic
def change_session(user: User, id: UUID, given: Mapping[str, Any]) -> None:
    """Change what is given of a session: its title, place and tags. Raises Http404 and ParseError."""
    session = session_for(user, id)
    try:
        if "folder_id" in given:
            put_into_folder(user, session, given["folder_id"])
        if "tag_names" in given:
            set_tags(user, session, map(storable, given["tag_names"]))
        if "title" in given:
            rename_session(user, id, storable(given["title"]))
        if "is_archived" in given:
            archive_session(session, is_archived=given["is_archived"])
        if "is_pinned" in given:
            pin_session(user, id, is_pinned=given["is_pinned"])
    except (NameRefused, QuestionRefused) as refusal:
        raise _refused(refusal) from refusal


def _refused(refusal: ChatError) -> ParseError:
    return ParseError(str(refusal))


class Folders(ApiView):
    serializer_class = FolderSerializer

    @extend_schema(summary="List your folders", tags=["sessions"], responses=FolderSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(FolderSerializer(folders.folders_for(self.user), many=True).data)

    @extend_schema(summary="Create a folder", tags=["sessions"], responses={201: FolderSerializer})
    def post(self, request: Request) -> Response:
        try:
            created = folders.create_folder(self.user, storable(self.read(request, FolderSerializer)["name"]))
        except NameRefused as refusal:
            raise _refused(refusal) from refusal
        return Response(FolderSerializer(folders.folder_for(self.user, created.pk)).data, status=201)


class OneFolder(ApiView):
    serializer_class = FolderSerializer

    @extend_schema(summary="Read a folder", tags=["sessions"])
    def get(self, request: Request, folder_id: UUID) -> Response:
        return Response(FolderSerializer(folders.folder_for(self.user, folder_id)).data)

    @extend_schema(summary="Rename a folder", tags=["sessions"])
    def patch(self, request: Request, folder_id: UUID) -> Response:
        folders.folder_for(self.user, folder_id)
        try:
            folders.rename_folder(
                self.user, folder_id, storable(self.read(request, FolderSerializer)["name"])
            )
        except NameRefused as refusal:
            raise _refused(refusal) from refusal
        return Response(FolderSerializer(folders.folder_for(self.user, folder_id)).data)

    @extend_schema(
        summary="Delete a folder",
        description="Its sessions are kept, those in the archive too.",
        tags=["sessions"],
        responses={204: None},
    )
    def delete(self, request: Request, folder_id: UUID) -> Response:
        folders.delete_folder(self.user, folder_id)
        return Response(status=204)


class SearchSessions(ApiView):
    @extend_schema(
        summary="Search your conversations",
        description="Finds titles, questions and answers by their words, those with the words in their title first, "
        "then the newest. Answers that you may not read any more are not searched.",
        tags=["sessions"],
        parameters=[
            OpenApiParameter(
                "q",
                OpenApiTypes.STR,
                required=True,
                description='Words, "phrases" and -exclusions. The last word may be the beginning of one.',
            ),
            _TAG,
            OpenApiParameter("offset", OpenApiTypes.INT, description="How many sessions to leave out."),
        ],
        responses=SearchResultSerializer,
    )
    def get(self, request: Request) -> Response:
        words, offset = storable(request.query_params.get("q", "")), request.query_params.get("offset", "0")
        if not words.strip():
            raise ParseError("q must have the words to search for.")
        if not (offset.isascii() and offset.isdecimal() and len(offset) <= 9):
            raise ParseError("offset must be a whole number from 0.")
        tag = storable(request.query_params.get("tag", ""))
        found = search_conversations(self.user, words, first=int(offset), limit=_FOUND_PER_REPLY, tag=tag)
        return Response(SearchResultSerializer(found).data)
