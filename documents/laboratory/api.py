"""The REST API of the laboratory."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from documents.api.serializers import FoundSerializer, LegSerializer, PassageSerializer, QuestionOfWorkspace
from documents.fields.api_input import field_errors
from documents.models import Search
from documents.retrieval import SearchConfig
from models_registry.models import Endpoint
from models_registry.serializers import ModelName
from workspaces.access import workspace_for
from workspaces.models import Metric, Workspace

from .compare_models import (
    LIMIT_S,
    MAX_CHARACTERS,
    MAX_MODELS,
    MAX_PASSAGES,
    MAX_TEXTS,
    rankings,
    similarities,
)
from .compare_searches import MAX_PASSAGES as MAX_FOUND
from .compare_searches import Way, beside

_MAX_WAYS = 2
_COMPARED: dict[str, Any] = {
    "description": f"Nothing is stored. Each model has {LIMIT_S:.0f} seconds. If one fails, `error` says why.",
    "tags": ["laboratory"],
}


def _models(kind: str) -> serializers.ListField:
    return serializers.ListField(
        child=ModelName(kind),
        min_length=1,
        max_length=MAX_MODELS,
        help_text=f"Names or ids, 1 to {MAX_MODELS}.",
    )


class _OutcomeSerializer(CamelCase):
    model = serializers.CharField(source="endpoint.name")
    error = serializers.CharField(help_text="Why there is no result; empty if there is one.")
    took_ms = serializers.FloatField()


# --- embeddings ----------------------------------------------------------------------------------


class SimilaritiesRequest(CamelCase):
    texts = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CHARACTERS), min_length=2, max_length=MAX_TEXTS
    )
    models = _models(Endpoint.Kind.EMBEDDING)
    metric = serializers.ChoiceField(Metric.choices, default=Metric.COSINE)
    role = serializers.ChoiceField(["query", "passage"], default="passage")


class SimilaritiesSerializer(_OutcomeSerializer):
    dimensions = serializers.IntegerField(source="result.dimensions", default=None, allow_null=True)
    tokens = serializers.IntegerField(
        source="result.tokens", default=None, allow_null=True, help_text="For all texts, estimated."
    )
    matrix = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        source="result.matrix",
        default=None,
        allow_null=True,
        help_text="A row and a column for each text, in order; for l2, the distances.",
    )


class SimilaritiesReply(CamelCase):
    results = SimilaritiesSerializer(many=True)


class CompareEmbeddings(ApiView):
    @extend_schema(
        summary="Compare how similar embedding models rate texts",
        **_COMPARED,
        request=SimilaritiesRequest,
        responses={200: SimilaritiesReply},
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, SimilaritiesRequest)
        return Response(SimilaritiesReply({"results": similarities(self.user, **asked)}).data)


# --- cross-encoders ------------------------------------------------------------------------------


class RankingsRequest(CamelCase):
    query = serializers.CharField(max_length=MAX_CHARACTERS)
    passages = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CHARACTERS), min_length=2, max_length=MAX_PASSAGES
    )
    models = _models(Endpoint.Kind.RERANKER)


class RankedSerializer(CamelCase):
    rank = serializers.IntegerField(help_text="From 1, best first.")
    number = serializers.IntegerField(help_text="The passage's position in the request, from 1.")
    score = serializers.FloatField(help_text="On the model's own scale.")


class RankingSerializer(_OutcomeSerializer):
    ranking = RankedSerializer(many=True, source="result", allow_null=True)


class RankingsReply(CamelCase):
    results = RankingSerializer(many=True)


class CompareCrossEncoders(ApiView):
    @extend_schema(
        summary="Rank passages with several cross-encoders",
        **_COMPARED,
        request=RankingsRequest,
        responses={200: RankingsReply},
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, RankingsRequest)
        return Response(RankingsReply({"results": rankings(self.user, **asked)}).data)


# --- searches ------------------------------------------------------------------------------------


class Configuration(CamelCase):
    """How to search. Absent settings are the workspace's."""

    is_hybrid = serializers.BooleanField(
        required=False, help_text="Hybrid search: by words as well as by meaning."
    )
    reranker = ModelName(
        Endpoint.Kind.RERANKER, allow_null=True, help_text="A cross-encoder's name or id; null: none."
    )
    merges_neighbours = serializers.BooleanField(required=False)
    most_per_document = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100, help_text="null: no limit."
    )


class ComparedSearches(QuestionOfWorkspace):
    configurations = serializers.ListField(child=Configuration(), min_length=_MAX_WAYS, max_length=_MAX_WAYS)


class PlacedSerializer(CamelCase):
    passage = PassageSerializer()
    other = serializers.IntegerField(
        allow_null=True, help_text="Its number in the other search; null: not found there."
    )


class WaySerializer(CamelCase):
    id = serializers.UUIDField(allow_null=True, help_text="GET /api/v1/searches/{id} returns its trace.")
    outcome = serializers.ChoiceField(Search.Outcome.choices)
    error = serializers.CharField()
    passages = PlacedSerializer(many=True)
    legs = LegSerializer(many=True, help_text="The outcome of each retriever.")
    timings_ms = serializers.DictField(child=serializers.FloatField())
    candidates = FoundSerializer(many=True)


class SearchesReply(CamelCase):
    results = WaySerializer(many=True, help_text="One for each configuration, in order.")


class CompareSearches(ApiView):
    @extend_schema(
        summary="Compare two searches",
        description=f"At most {MAX_FOUND} passages each. Both searches are kept for a while.",
        tags=["laboratory"],
        request=ComparedSearches,
        responses={200: SearchesReply},
    )
    def post(self, request: Request) -> Response:
        asked = self.read(request, ComparedSearches)
        workspace = workspace_for(self.user, asked["workspace_id"])
        configs = [_config(workspace, each) for each in asked["configurations"]]
        with field_errors("filters"):
            ways = beside(self.user, workspace, asked["query"], asked["filters"], configs)
        return Response(SearchesReply({"results": [_as_json(way) for way in ways]}).data)


def _config(workspace: Workspace, changes: dict[str, Any]) -> SearchConfig:
    return replace(SearchConfig.of(workspace), **changes)


def _as_json(way: Way) -> dict[str, Any]:
    if way.retrieval is None or way.kept is None:
        nothing: dict[str, Any] = dict.fromkeys(("passages", "legs", "candidates"), ())
        return nothing | {"id": None, "outcome": "failed", "error": way.error, "timings_ms": {}}
    trace = way.retrieval.trace
    return {
        "id": way.kept.pk,
        "outcome": way.retrieval.outcome,
        "error": "",
        "passages": way.placed,
        "legs": trace.legs,
        "timings_ms": trace.timings_ms,
        "candidates": [each.as_json() for each in trace.candidates],
    }
