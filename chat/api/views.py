from typing import Any
from uuid import UUID

from django.db import close_old_connections, transaction
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotAuthenticated, ParseError, PermissionDenied, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import SignedOut
from accounts.identity.api_key import KeyCredential
from accounts.identity.credential import Credential
from accounts.identity.session import load_session
from accounts.models import User
from accounts.rest import ApiView
from chat.answering import session_summary
from chat.answering.answer_request import Parameters
from chat.answering.branches import Tree
from chat.answering.withholding import passages_for, withholding
from chat.asking import ratings, turns
from chat.asking.forks import fork_session
from chat.asking.sessions import create_session, delete_session, listed_sessions, session_for, show_branch
from chat.errors import QuestionRefused
from chat.log import sse
from chat.log.events import text_of
from chat.log.follow import last_seqs, read_shown
from chat.models import Answer, Session, Turn
from core.text import uuid_or_none

from . import organizing
from .serializers import (
    AnswerSerializer,
    AnswerTraceSerializer,
    NewTurn,
    NewVersion,
    RatingSerializer,
    SessionSerializer,
    SessionWithTurns,
    SummarySerializer,
    TurnSerializer,
)

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The id of the message, unless the body has it as messageId. A request with the same id is a "
    "resend and has no further effect.",
)
_LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    description="The id of the last event that you have. If absent, the stream starts with the first event.",
)


_TURN = OpenApiParameter(
    "turn", OpenApiTypes.UUID, description="A turn of the session: `turns` is then the path of its branch."
)


def _turn(request: Request) -> UUID | None:
    said = request.query_params.get("turn")
    if said and not uuid_or_none(said):
        raise ParseError("turn must be the id of a turn of this session.")
    return uuid_or_none(said) if said else None


class Sessions(ListModelMixin, ApiView):
    serializer_class = SessionSerializer

    def get_queryset(self) -> QuerySet[Session]:
        found = listed_sessions(self.user).prefetch_related("tags")
        return organizing.filter_sessions(found, self.request.query_params)

    @extend_schema(summary="List your sessions", tags=["sessions"], parameters=organizing.FILTERS)
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(summary="Create a session", tags=["sessions"], responses={201: SessionSerializer})
    def post(self, request: Request) -> Response:
        given = self.read(request, SessionSerializer)
        with transaction.atomic():
            own = {name: given.pop(name) for name in ("title", "is_pinned", "is_temporary") if name in given}
            session = create_session(self.user, **own)
            organizing.change_session(self.user, session.pk, given)
        return Response(SessionSerializer(session_for(self.user, session.pk)).data, status=201)


class OneSession(ApiView):
    serializer_class = SessionWithTurns

    @extend_schema(
        summary="Read a session with its turns and answers",
        description="`turns` is the path that was shown last. An edited question is another version of a turn, with "
        "turns of its own after it: `versionIds` names the versions, and `turn` reads the path of another one.",
        tags=["sessions"],
        parameters=[_TURN],
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        session = session_for(self.user, session_id)
        tree = Tree.of(session)
        path = tree.path(tree.end_below(through) if (through := _turn(request)) else None)
        # Prefetch turns, answers and passages, so that the number of queries does not grow with the session.
        shown = Prefetch("turns", Turn.objects.filter(pk__in=path))
        answers = Prefetch("turns__answers", withholding(self.user, Answer.objects.all()))
        seen = Prefetch("turns__answers__passages", passages_for(self.user))
        read = Session.objects.prefetch_related(shown, answers, seen).get(pk=session.pk)
        return Response(SessionWithTurns(read, context={"tree": tree}).data)

    @extend_schema(
        summary="Change a session",
        description="Changes what you send: its title, its folder, its tags, whether it is pinned or archived.",
        tags=["sessions"],
        request=SessionSerializer,
        responses=SessionSerializer,
    )
    def patch(self, request: Request, session_id: UUID) -> Response:
        session_for(self.user, session_id)
        organizing.change_session(self.user, session_id, self.read(request, SessionSerializer))
        return Response(SessionSerializer(session_for(self.user, session_id)).data)

    @extend_schema(summary="Delete a session", tags=["sessions"], responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        delete_session(self.user, session_id)
        return Response(status=204)


class SessionSummary(ApiView):
    serializer_class = SummarySerializer

    @extend_schema(
        summary="Read the summary of a session's earlier messages",
        description="When a conversation no longer fits a prompt, its earlier messages are summarised in a "
        "few sentences, which the model reads instead.",
        tags=["sessions"],
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        session = session_for(self.user, session_id)
        return Response(SummarySerializer(session_summary.summary_of(session)).data)

    @extend_schema(summary="Switch a session's summary on or off", tags=["sessions"])
    def patch(self, request: Request, session_id: UUID) -> Response:
        session = session_for(self.user, session_id)
        wanted = self.read(request, SummarySerializer)
        return Response(SummarySerializer(session_summary.switch_summary(session, wanted["is_on"])).data)


class ShownBranch(ApiView):
    @extend_schema(
        summary="Show the branch of a turn",
        description="Later turns of the session continue from the last turn of this branch.",
        tags=["sessions"],
        request=None,
        responses={204: None},
    )
    def put(self, request: Request, session_id: UUID, turn_id: UUID) -> Response:
        show_branch(self.user, session_id, turn_id)
        return Response(status=204)


class Turns(ApiView):
    @extend_schema(
        summary="Ask a question",
        description="The question is recorded and will be answered, whether you follow the answer or not. "
        "The request is idempotent: a resend of the message returns the same turn, with 200 instead of 201.",
        tags=["sessions"],
        parameters=[_IDEMPOTENCY_KEY],
        request=NewTurn,
        responses={201: TurnSerializer, 200: TurnSerializer},
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        session = session_for(self.user, session_id)
        asked = self.read(request, NewTurn)
        asked["message_id"] = _message_id(request, asked)
        turn = self._submit(session, asked)
        shown = TurnSerializer(turns.turn_to_read(self.user, turn)).data
        return Response(shown, status=201 if turn.just_recorded else 200)

    def _submit(self, session: Session, asked: dict[str, Any]) -> Turn:
        try:
            ask = turns.Question(
                session_id=session.pk,
                message_id=asked["message_id"],
                text=asked["text"],
                workspace_id=asked.get("workspace_id"),
                filters=asked["filters"],
                endpoints=turns.find_models(asked.get("model_name", ""), asked.get("model_names", ())),
                parameters=Parameters(**asked.get("model_kwargs", {})),
                is_batch=asked["priority"] == "batch",
                follows=asked.get("follows_id"),
                edits=asked.get("edits_id"),
            )
            return turns.submit(self.user, ask)
        except QuestionRefused as refusal:
            raise ParseError(str(refusal)) from refusal


def _message_id(request: Request, asked: dict[str, Any]) -> str:
    said = {request.headers.get("Idempotency-Key"), asked.get("message_id")} - {None}
    if len(said) == 1:
        return str(said.pop())
    sentence = (
        "The Idempotency-Key header has another id: send only one of them."
        if said
        else "Generate an id for this message and send it, so that a resend of the message has no effect."
    )
    raise ValidationError({"messageId": [sentence]})


class OneAnswer(ApiView):
    @extend_schema(
        summary="Read an answer",
        description="While the answer is being written, `text` holds the part that exists so far.",
        tags=["sessions"],
        responses=AnswerSerializer,
    )
    def get(self, request: Request, answer_id: UUID) -> Response:
        return Response(_as_it_stands(turns.answer_to_read(self.user, answer_id)))


class AnswerTrace(ApiView):
    @extend_schema(
        summary="Read how an answer came about",
        description="The search, and the prompt exactly as it was sent. Complete once the answer has ended.",
        tags=["sessions"],
        responses={200: AnswerTraceSerializer},
    )
    def get(self, request: Request, answer_id: UUID) -> Response:
        return Response(AnswerTraceSerializer(_to_follow(self.user, answer_id).trace).data)


def _to_follow(user: User, answer_id: UUID) -> Answer:
    try:
        return turns.answer_to_follow(user, answer_id)
    except QuestionRefused as refusal:
        raise PermissionDenied(str(refusal)) from refusal


class StopAnswer(ApiView):
    @extend_schema(
        summary="Stop an answer",
        description="The text written so far is kept. Nothing happens if the answer has already ended.",
        tags=["sessions"],
        request=None,
        responses={202: AnswerSerializer},
    )
    def post(self, request: Request, answer_id: UUID) -> Response:
        turns.stop(self.user, answer_id)
        return Response(_as_it_stands(turns.answer_to_read(self.user, answer_id)), status=202)


class RegenerateAnswer(ApiView):
    @extend_schema(
        summary="Regenerate an answer",
        description="Creates another answer to the same turn, from the same model or another one. The old "
        "answer is kept, and it must have ended: a request while it is being written is refused. The request "
        "is idempotent: the same message id returns the same version, with 200 instead of 201.",
        tags=["sessions"],
        parameters=[_IDEMPOTENCY_KEY],
        request=NewVersion,
        responses={201: AnswerSerializer, 200: AnswerSerializer},
    )
    def post(self, request: Request, answer_id: UUID) -> Response:
        turns.answer_for(self.user, answer_id)
        asked = self.read(request, NewVersion)
        message_id, said = _message_id(request, asked), asked.get("model_kwargs")
        try:
            endpoint = next(iter(turns.find_models(asked.get("model_name", ""))), None)
            parameters = Parameters(**said) if said else None
            again = turns.Regeneration(answer_id, message_id, endpoint, parameters, asked["continues"])
            answer, is_new = turns.regenerate(self.user, again)
        except QuestionRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return Response(
            _as_it_stands(turns.answer_to_read(self.user, answer.pk)), status=201 if is_new else 200
        )


class ContinueWithAnswer(ApiView):
    @extend_schema(
        summary="Continue from an answer",
        description="Later turns of the session build on this answer instead of the others to its turn.",
        tags=["sessions"],
        request=None,
        responses=AnswerSerializer,
    )
    def post(self, request: Request, answer_id: UUID) -> Response:
        try:
            turns.continue_with(self.user, answer_id)
        except QuestionRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return Response(_as_it_stands(turns.answer_to_read(self.user, answer_id)))


class ForkSession(ApiView):
    @extend_schema(
        summary="Fork a session",
        description="Creates a session of yours with a copy of the conversation up to this answer. The copies cost "
        "nothing.",
        tags=["sessions"],
        request=None,
        responses={201: SessionSerializer},
    )
    def post(self, request: Request, answer_id: UUID) -> Response:
        try:
            fork = fork_session(self.user, answer_id)
        except QuestionRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return Response(SessionSerializer(fork).data, status=201)


class RateAnswer(ApiView):
    serializer_class = RatingSerializer

    @extend_schema(summary="Rate an answer", tags=["sessions"])
    def put(self, request: Request, answer_id: UUID) -> Response:
        turns.answer_for(self.user, answer_id)
        try:
            rating = ratings.rate(self.user, answer_id, **self.read(request, RatingSerializer))
        except QuestionRefused as refusal:
            raise ParseError(str(refusal)) from refusal
        return Response(RatingSerializer(rating).data)

    @extend_schema(summary="Withdraw a rating", tags=["sessions"], responses={204: None})
    def delete(self, request: Request, answer_id: UUID) -> Response:
        ratings.withdraw(self.user, answer_id)
        return Response(status=204)


def _as_it_stands(answer: Answer) -> Any:
    if not answer.has_ended:
        answer.text = text_of(read_shown(answer.pk))
    return AnswerSerializer(answer).data


class _AlwaysJson(DefaultContentNegotiation):
    """Send errors as JSON, even to a client that accepts only an event stream."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class AnswerEvents(ApiView):
    content_negotiation_class = _AlwaysJson

    @extend_schema(
        summary="Follow an answer",
        description="Server-sent events: first the existing events, then new ones as they arrive, until the "
        "last (finished, stopped or failed). `id` counts from 1; `event` and `data` are the same as on the "
        "WebSocket. After a broken connection, resume with Last-Event-ID, as browsers do by themselves. If "
        "no more events will come, the reply is 204.",
        tags=["sessions"],
        parameters=[_LAST_EVENT_ID],
        responses={(200, "text/event-stream"): OpenApiTypes.STR, 204: None},
    )
    def get(self, request: Request, answer_id: UUID) -> HttpResponseBase:
        answer = _to_follow(self.user, answer_id)
        after_seq = _last_event_id(request)
        if answer.has_ended and last_seqs([answer.pk]).get(answer.pk, 0) <= after_seq:
            return HttpResponse(status=204)  # 204 ends an EventSource, which otherwise reconnects for ever
        credential = self._credential(request)
        close_old_connections()  # give it back to the pool, or each open stream would hold one until its end
        return sse.stream(sse.stream_events(answer.pk, after_seq, credential))

    def _credential(self, request: Request) -> Credential:
        if self.key:
            return KeyCredential(self.user, self.key)
        try:
            return load_session(request.session.session_key or "")
        except SignedOut as error:
            raise NotAuthenticated from error


def _last_event_id(request: Request) -> int:
    said = request.headers.get("Last-Event-ID") or "0"
    if not (said.isascii() and said.isdecimal() and len(said) <= 9):
        raise ParseError("Last-Event-ID must be the id of an event that you received: a whole number from 0.")
    return int(said)
