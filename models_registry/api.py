"""REST API of models: lists them, and has the two laboratory calls: embed texts, score passages."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest import ApiView
from core.waiting import wait_for
from inference.connect import open_embedder, open_reranker
from inference.errors import InferenceError
from inference.types import Vector

from . import serializers
from .errors import EndpointError
from .models import Endpoint

_T = TypeVar("_T")


class ModelFailed(APIException):
    """The call to a model failed. The sentence says why, and whether a retry may help."""

    status_code = 503
    default_code = "model_failed"
    wait = 5  # seconds; sent as Retry-After


class _Models(ListModelMixin, ApiView):
    kind: str

    def get_queryset(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.offered(self.kind)

    def get(self, request: Request) -> Response:
        return self.list(request)

    def chosen(self, asked: dict[str, Any]) -> Endpoint:
        """Return the model that the request names, or else the first one offered."""
        endpoint = asked.get("model") or Endpoint.objects.offered(self.kind).first()
        if not isinstance(endpoint, Endpoint):
            raise NotFound("No such model is set up yet. Ask an operator to add one in the admin.")
        return endpoint


class Llms(_Models):
    kind = Endpoint.Kind.CHAT
    serializer_class = serializers.ChatModel

    @extend_schema(summary="List the chat models", tags=["models"])
    def get(self, request: Request) -> Response:
        return super().get(request)


class Embeddings(_Models):
    kind = Endpoint.Kind.EMBEDDING
    serializer_class = serializers.EmbeddingModel

    @extend_schema(summary="List the embedding models", tags=["models"])
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        summary="Embed texts",
        tags=["models"],
        request=serializers.EmbeddingsRequest,
        responses=serializers.EmbeddingsReply,
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, serializers.EmbeddingsRequest)
        endpoint = self.chosen(asked)
        vectors = _call(self.user, _embed, endpoint, asked["texts"], asked["role"])
        reply = {"model": endpoint.name, "dimensions": len(vectors[0]), "vectors": vectors}
        return Response(serializers.EmbeddingsReply(reply).data)


class CrossEncoders(_Models):
    kind = Endpoint.Kind.RERANKER
    serializer_class = serializers.Model

    @extend_schema(summary="List the cross-encoders", tags=["models"])
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        summary="Score passages against a question",
        tags=["models"],
        request=serializers.ScoresRequest,
        responses=serializers.ScoresReply,
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, serializers.ScoresRequest)
        endpoint = self.chosen(asked)
        scores = _call(self.user, _score, endpoint, asked["query"], asked["passages"])
        return Response(serializers.ScoresReply({"model": endpoint.name, "scores": scores}).data)


def _call(user: User, function: Callable[..., Awaitable[_T]], *arguments: Any) -> _T:
    try:
        return wait_for(function, user.pk)(*arguments)
    except (InferenceError, EndpointError) as error:
        raise ModelFailed(str(error)) from error


async def _embed(endpoint: Endpoint, texts: list[str], role: Any) -> list[Vector]:
    async with open_embedder(endpoint.spec()) as embedder:
        return (await embedder.embed(texts, role)).vectors


async def _score(endpoint: Endpoint, query: str, passages: list[str]) -> list[float]:
    async with open_reranker(endpoint.spec()) as reranker:
        return (await reranker.score(query, passages)).values
