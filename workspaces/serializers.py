from typing import Any, cast

from rest_framework import serializers

from accounts.models import User
from core.rest.serializers import CamelCase, camel
from models_registry.models import Endpoint
from models_registry.serializers import ModelName

from .access import role_in, totals_for
from .engines import ENGINES
from .languages import AUTO, CHOICES, code_for
from .models import ChunkingStrategy, IndexKind, Metric, Parser, Role, Workspace

LANGUAGE_CODES = list(CHOICES)


class LanguageField(serializers.ChoiceField):
    """The ISO 639 code of a language, or AUTO."""

    def __init__(self, **options: Any) -> None:
        super().__init__(LANGUAGE_CODES, **options)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("This is not text. Write an ISO 639 code such as 'en'.")
        if data in CHOICES or (data == "" and self.allow_blank):
            return data
        code = code_for(data)
        hint = (
            f"Write {code!r}."
            if code
            else f"Write an ISO 639 code such as 'en', 'pt' or 'zh', or {AUTO!r}: the languages are then detected."
        )
        raise serializers.ValidationError(f"{data!r} is not a language code here. {hint}")


class EngineSerializer(CamelCase):
    id = serializers.CharField()
    name = serializers.CharField()


class ModelReference(CamelCase):
    id = serializers.UUIDField()
    name = serializers.CharField()


class WorkspaceChanges(CamelCase):
    """The settings that can be changed. If there are documents, a setting of the index needs a new index."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    languages = serializers.ListField(
        child=LanguageField(),
        min_length=1,
        max_length=3,
        help_text="One to three ISO 639 codes; or only `auto`: the language of each document is detected.",
    )
    is_hybrid = serializers.BooleanField(required=False, help_text="Search by words as well as by meaning.")
    reranker = ModelName(
        Endpoint.Kind.RERANKER, allow_null=True, help_text="Name or id of a cross-encoder; null: none."
    )
    condenser = ModelName(
        Endpoint.Kind.CHAT,
        allow_null=True,
        help_text="Name or id of a chat model that rewrites follow-up questions during the search; null: "
        "none.",
    )
    merges_neighbours = serializers.BooleanField(required=False, help_text="Join adjacent passages.")
    most_per_document = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=50,
        help_text="Most passages per document, if others are at least half as good; null: no limit.",
    )
    summarizer = ModelName(
        Endpoint.Kind.CHAT,
        allow_null=True,
        help_text="Name or id of a chat model that summarises each document; null: none.",
    )
    access_levels = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Names of the levels, lowest first; empty: every member sees every document.",
    )
    parser = serializers.ChoiceField(Parser.choices, required=False)
    chunking = serializers.ChoiceField(ChunkingStrategy.choices, required=False)
    chunk_size = serializers.IntegerField(required=False, help_text="Characters, 101 to 9,999.")
    chunk_overlap = serializers.IntegerField(
        required=False, min_value=0, help_text="Characters; less than the chunk size."
    )
    index_kind = serializers.ChoiceField(
        IndexKind.choices,
        required=False,
        help_text="Kind of vector index. A change embeds nothing; the index is built in the background.",
    )


class NewWorkspace(WorkspaceChanges):
    embedder = ModelName(
        Endpoint.Kind.EMBEDDING, help_text="Name or id of an embedding model; if absent, the first."
    )
    engine = serializers.ChoiceField(sorted(ENGINES), required=False)
    metric = serializers.ChoiceField(Metric.choices, required=False)


class WorkspaceSerializer(CamelCase):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    role = serializers.SerializerMethodField(help_text="Your role in this workspace.")
    engine = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    embedder = ModelReference()
    dimensions = serializers.IntegerField()
    reranker = ModelReference(allow_null=True)
    condenser = ModelReference(allow_null=True)
    summarizer = ModelReference(allow_null=True)
    metric = serializers.ChoiceField(Metric.choices)
    index_kind = serializers.ChoiceField(IndexKind.choices)
    is_hybrid = serializers.BooleanField()
    merges_neighbours = serializers.BooleanField()
    most_per_document = serializers.IntegerField(allow_null=True)
    relevance_floor = serializers.FloatField(
        allow_null=True,
        help_text="Calibrated similarity below which nothing is relevant; null: not calibrated yet.",
    )
    parser = serializers.ChoiceField(Parser.choices)
    chunking = serializers.ChoiceField(ChunkingStrategy.choices)
    chunk_size = serializers.IntegerField()
    chunk_overlap = serializers.IntegerField()
    access_levels = serializers.ListField(
        child=serializers.CharField(), help_text="The number of a level is its position, from 0."
    )
    document_count = serializers.IntegerField(
        help_text="Counts only documents that you may see, as do the next two fields."
    )
    chunk_count = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, workspace: Workspace) -> Any:
        seen = totals_for(cast(User, self.context["request"].user), workspace)
        told: dict[str, Any] = super().to_representation(workspace)
        return told | {camel(name): amount for name, amount in seen.items()}

    def get_role(self, workspace: Workspace) -> Role:
        user = cast(User, self.context["request"].user)
        known: dict[Any, str] = self.context.get("roles", {})
        return Role(known[workspace.pk]) if workspace.pk in known else role_in(user, workspace) or Role.VIEWER


class StandingSerializer(CamelCase):
    kind = serializers.ChoiceField(IndexKind.choices)
    size_bytes = serializers.IntegerField()


class BuildSerializer(CamelCase):
    phase = serializers.CharField()
    percent = serializers.IntegerField(help_text="Progress within this phase.")


class VectorIndexSerializer(CamelCase):
    """A `State` of maintenance, as a flat object."""

    chosen = serializers.ChoiceField(IndexKind.choices)
    standing = StandingSerializer(allow_null=True, help_text="The index that searches use; null: none.")
    progress = BuildSerializer(allow_null=True, help_text="Progress of a running build; null: none.")
    recall = serializers.FloatField(
        source="row.recall", default=None, help_text="Measured recall of the exact top ten."
    )
    breadth = serializers.IntegerField(
        source="row.breadth", default=None, help_text="The hnsw.ef_search or ivfflat.probes for this recall."
    )
    status = serializers.CharField(source="row.status", default="waiting")
    error = serializers.CharField(source="row.error", default="", help_text="Why the last attempt failed.")
