from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView

from . import turns
from .models import Session
from .serializers import SessionSerializer, SessionWithTurns


class Sessions(ListModelMixin, ApiView):
    serializer_class = SessionSerializer

    def get_queryset(self) -> QuerySet[Session]:
        return turns.sessions_for(self.user)

    @extend_schema(summary="List your sessions", tags=["sessions"])
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(summary="Begin a session", tags=["sessions"], responses={201: SessionSerializer})
    def post(self, request: Request) -> Response:
        session = Session.objects.create(user=self.user, **self.read(request, SessionSerializer))
        return Response(SessionSerializer(session).data, status=201)


class OneSession(ApiView):
    serializer_class = SessionWithTurns

    @extend_schema(summary="Read a session with its turns and answers", tags=["sessions"])
    def get(self, request: Request, session_id: UUID) -> Response:
        session = turns.session_for(self.user, session_id)
        # Session, turns, answers, passages: four queries, however long it is.
        read = Session.objects.prefetch_related("turns__answers__passages").get(pk=session.pk)
        return Response(SessionWithTurns(read).data)

    @extend_schema(summary="Delete a session", tags=["sessions"], responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        turns.delete(self.user, session_id)
        return Response(status=204)
