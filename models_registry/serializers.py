from typing import Any

from django.db.models import Q
from rest_framework import serializers

from core.rest.serializers import CamelCase
from core.text import storable

from .models import Endpoint

MAX_TEXTS = 64
MAX_CHARACTERS = 20_000  # per text


class Model(CamelCase):
    """A model that users may choose."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    note = serializers.CharField(help_text="What the model is good for, in one line.")
    provider = serializers.CharField()
    model = serializers.CharField(help_text="The provider's name of the model.")
    is_well = serializers.BooleanField(
        source="last_check_ok", allow_null=True, help_text="Result of the last check; null: not checked yet."
    )
    checked_at = serializers.DateTimeField(source="last_check_at", allow_null=True)
    licence = serializers.CharField()
    size_bytes = serializers.IntegerField(allow_null=True)
    input_price = serializers.DecimalField(10, 4, help_text="US dollars per million tokens read.")
    output_price = serializers.DecimalField(10, 4, help_text="US dollars per million tokens written.")


class ChatModel(Model):
    context_tokens = serializers.IntegerField(source="context_limit", help_text="Prompt and answer together.")


class EmbeddingModel(Model):
    dimensions = serializers.IntegerField(allow_null=True)


class ModelName(serializers.CharField):
    """The name or id of a model, as an Endpoint. If it is absent, the first one offered is used."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        self.kind = kind
        kwargs.setdefault("help_text", "Name or id of the model; if absent, the first in the list.")
        super().__init__(required=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        name = storable(name)  # NUL would break the query; the validators run later
        found = Endpoint.objects.offered(self.kind).filter(_by_name_or_id(name)).first()
        if found is None:
            offered = ", ".join(Endpoint.objects.offered(self.kind).values_list("name", flat=True))
            raise serializers.ValidationError(
                f"There is no such model. Choose one of: {offered or 'none yet'}."
            )
        return found


def _by_name_or_id(name: str) -> Q:
    try:
        return Q(name=name) | Q(pk=serializers.UUIDField().to_internal_value(name))
    except serializers.ValidationError:
        return Q(name=name)


class EmbeddingsRequest(CamelCase):
    model = ModelName(Endpoint.Kind.EMBEDDING)
    texts = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False),
        min_length=1,
        max_length=MAX_TEXTS,
    )
    role = serializers.ChoiceField(
        ["query", "passage"],
        default="passage",
        help_text="Some models embed questions and passages differently.",
    )


class EmbeddingsReply(CamelCase):
    model = serializers.CharField()
    dimensions = serializers.IntegerField()
    vectors = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), help_text="One per text, in order."
    )


class ScoresRequest(CamelCase):
    model = ModelName(Endpoint.Kind.RERANKER)
    query = serializers.CharField(max_length=MAX_CHARACTERS)
    passages = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CHARACTERS), min_length=1, max_length=MAX_TEXTS
    )


class ScoresReply(CamelCase):
    model = serializers.CharField()
    scores = serializers.ListField(
        child=serializers.FloatField(),
        help_text="One per passage, in order; higher is better. Compare only scores of the same call.",
    )
