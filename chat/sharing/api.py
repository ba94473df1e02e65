from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from chat.asking.sessions import session_for
from chat.errors import SharingRefused
from chat.models import SharedLink
from core.rest.serializers import CamelCase

from . import links
from .reading import address_of

_TAGS = ["shared links"]


class SharedLinkSerializer(CamelCase):
    id = serializers.UUIDField(read_only=True)
    session_id = serializers.UUIDField(read_only=True)
    address = serializers.SerializerMethodField(method_name="get_address", help_text="What readers open.")
    name = serializers.CharField(
        max_length=120,
        required=False,
        help_text="The heading that readers see. If absent, the beginning of the first question.",
    )
    audience = serializers.ChoiceField(
        SharedLink.Audience.choices,
        required=False,
        help_text="users (the default): people who are logged in here. members: members of all workspaces that the "
        "conversation asked. anybody: without a login, where an operator allows it.",
    )
    names_owner = serializers.BooleanField(required=False, help_text="Whether readers see your name.")
    created_at = serializers.DateTimeField(read_only=True)
    taken_at = serializers.DateTimeField(
        read_only=True, help_text="The conversation is shown as it was then."
    )
    ends_at = serializers.DateTimeField(required=False, help_text="If absent, in 30 days.")

    def get_address(self, link: SharedLink) -> str:
        return address_of(self.context["request"], link)


class NewSharedLink(SharedLinkSerializer):
    turn_id = serializers.UUIDField(
        required=False,
        write_only=True,
        allow_null=True,
        help_text="The last turn to share. If absent, the path that was shown last, to its end.",
    )


class NewSnapshot(CamelCase):
    turn_id = serializers.UUIDField(required=False, allow_null=True, help_text="As when the link was made.")


class _SharingView(ApiView):
    serializer_class = SharedLinkSerializer

    def show(self, link: SharedLink, status: int = 200) -> Response:
        return Response(SharedLinkSerializer(link, context=self.get_serializer_context()).data, status=status)


class SharedLinks(ListModelMixin, _SharingView):
    def get_queryset(self) -> QuerySet[SharedLink]:
        return links.links_of(self.user)

    @extend_schema(summary="List your shared links", tags=_TAGS)
    def get(self, request: Request) -> Response:
        return self.list(request)


class LinksOfSession(_SharingView):
    @extend_schema(
        summary="Share a session",
        description="Others read the conversation as it is now. Each reader sees what they may see of it.",
        tags=_TAGS,
        request=NewSharedLink,
        responses={201: SharedLinkSerializer},
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        session_for(self.user, session_id)
        said = self.read(request, NewSharedLink)
        last_turn = said.pop("turn_id", None)
        try:
            link = links.create_link(self.user, session_id, links.LinkSettings(**said), last_turn)
        except SharingRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return self.show(link, 201)


class OneSharedLink(_SharingView):
    @extend_schema(summary="Read a shared link", tags=_TAGS)
    def get(self, request: Request, link_id: UUID) -> Response:
        return self.show(links.link_for(self.user, link_id))

    @extend_schema(summary="Change a shared link", tags=_TAGS)
    def patch(self, request: Request, link_id: UUID) -> Response:
        links.link_for(self.user, link_id)
        said = self.read(request, SharedLinkSerializer, partial=True)
        return self._changed(lambda: links.change_link(self.user, link_id, links.LinkSettings(**said)))

    @extend_schema(summary="Revoke a shared link", tags=_TAGS, responses={204: None})
    def delete(self, request: Request, link_id: UUID) -> Response:
        links.revoke_link(self.user, link_id)
        return Response(status=204)

    def _changed(self, change: Any) -> Response:
        try:
            return self.show(change())
        except SharingRefused as refusal:
            raise ParseError(str(refusal)) from refusal


class SharedLinkSnapshot(OneSharedLink):
    http_method_names = ["put"]

    @extend_schema(
        summary="Update a shared link",
        description="Its address then shows the conversation as it is now.",
        tags=_TAGS,
        request=NewSnapshot,
    )
    def put(self, request: Request, link_id: UUID) -> Response:
        links.link_for(self.user, link_id)
        last_turn = self.read(request, NewSnapshot).get("turn_id")
        return self._changed(lambda: links.update_link(self.user, link_id, last_turn))
