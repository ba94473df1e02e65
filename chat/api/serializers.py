from rest_framework import serializers

from chat.asking.ratings import MAX_COMMENT_CHARACTERS
from chat.asking.turns import MAX_MODELS
from chat.models import Answer
from core.rest.serializers import CamelCase
from documents.doors import FILTERS_HELP, TraceSerializer


class SessionSerializer(CamelCase):
    id = serializers.UUIDField(read_only=True)
    title = serializers.CharField(
        max_length=120, required=False, help_text="Absent: the first question names it."
    )
    is_pinned = serializers.BooleanField(required=False)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class CitationSerializer(CamelCase):
    number = serializers.IntegerField(help_text="As cited in the text: [1].")
    document_id = serializers.UUIDField(allow_null=True, help_text="Null when the document is gone.")
    document_title = serializers.CharField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Characters into the section's text.")
    end = serializers.IntegerField()
    text = serializers.CharField()
    title_path = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)


class AttemptSerializer(CamelCase):
    """What an attempt to write an answer took before it was broken off."""

    fence = serializers.IntegerField(help_text="Which attempt it was, as in the event `started`.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6, help_text="US dollars.")
    is_estimate = serializers.BooleanField(help_text="The model's server had not said yet what it took.")


class AnswerSerializer(CamelCase):
    id = serializers.UUIDField()
    model = serializers.CharField(source="endpoint_name")
    lane = serializers.IntegerField(
        help_text="From 0: models answer side by side. A lane holds an answer and its later versions."
    )
    status = serializers.ChoiceField(Answer.Status.choices)
    grounding = serializers.ChoiceField(Answer.Grounding.choices)
    text = serializers.CharField(help_text="Complete once the status is finished, stopped or failed.")
    error = serializers.CharField()
    passages = CitationSerializer(many=True)
    input_tokens = serializers.IntegerField(help_text="Of all attempts together, as are the next two.")
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6, help_text="US dollars.")
    broken_off = AttemptSerializer(
        many=True,
        help_text="The attempts before the last that had reached the model: their process was gone.",
    )
    created_at = serializers.DateTimeField()
    first_token_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    chosen_at = serializers.DateTimeField(
        allow_null=True,
        help_text="The conversation goes on with the answer chosen last; if none was, with the newest in the "
        "first lane that has words.",
    )


class PromptMessage(CamelCase):
    role = serializers.CharField(help_text="system, user or assistant.")
    text = serializers.CharField()


class AnswerTraceSerializer(TraceSerializer):
    """All that led to one answer; empty for one that was not searched for."""

    prompt = PromptMessage(many=True, default=list, help_text="Exactly as the model was sent it.")
    prompt_tokens = serializers.IntegerField(
        default=0, help_text="Of the prompt, as counted before it was sent."
    )


class ModelKwargs(CamelCase):
    streaming = serializers.BooleanField(default=True, help_text="Whether the model sends words as it goes.")
    max_tokens = serializers.IntegerField(default=512, help_text="The longest answer: 1 to 8192.")
    temperature = serializers.FloatField(default=0.1, help_text="0 (sober) to 2 (varied).")
    top_p = serializers.FloatField(default=1.0, help_text="0 to 1.")


class NewTurn(CamelCase):
    text = serializers.CharField(trim_whitespace=False)
    message_id = serializers.CharField(
        required=False, help_text="A new one for each message; the Idempotency-Key header says the same."
    )
    workspace_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Whose documents to ask; absent: none, just the model."
    )
    filters = serializers.JSONField(default=dict, help_text=FILTERS_HELP)
    model_name = serializers.CharField(
        required=False, allow_blank=True, help_text="A chat model's name or id; absent: the default."
    )
    model_names = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=MAX_MODELS,
        help_text="Instead: several, side by side. Each gives an answer of its own, with its own cost and stop.",
    )
    model_kwargs = ModelKwargs(required=False)
    priority = serializers.ChoiceField(
        ["interactive", "batch"],
        default="interactive",
        help_text="batch: nobody waits for the answer, so those that somebody waits for are written first.",
    )


class NewVersion(CamelCase):
    message_id = serializers.CharField(
        required=False, help_text="A new one for each version; the Idempotency-Key header says the same."
    )
    model_name = serializers.CharField(
        required=False, allow_blank=True, help_text="A chat model's name or id; absent: the one it had."
    )
    model_kwargs = ModelKwargs(required=False, help_text="Absent: those it had.")


class RatingSerializer(CamelCase):
    is_good = serializers.BooleanField()
    comment = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_COMMENT_CHARACTERS,
        help_text="Why. Operators read it.",
    )
    updated_at = serializers.DateTimeField(read_only=True)


class TurnSerializer(CamelCase):
    id = serializers.UUIDField()
    message_id = serializers.CharField()
    text = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    filters = serializers.JSONField(help_text="Which of the workspace's documents were asked.")
    created_at = serializers.DateTimeField()
    answers = AnswerSerializer(many=True)


class SummarySerializer(CamelCase):
    text = serializers.CharField(read_only=True, help_text="Empty: there is none.")
    last_turn_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="It holds what was said up to this turn."
    )
    is_on = serializers.BooleanField(help_text="false forgets it, and no more are written.")
    is_due = serializers.BooleanField(read_only=True, help_text="A new one waits, or is being written.")
    error = serializers.CharField(
        read_only=True, help_text="Why the last try failed; the text is the one before."
    )
    input_tokens = serializers.IntegerField(
        read_only=True, help_text="Of all its versions, as are the next two."
    )
    output_tokens = serializers.IntegerField(read_only=True)
    cost = serializers.DecimalField(12, 6, read_only=True, help_text="US dollars.")
    written_at = serializers.DateTimeField(read_only=True, allow_null=True)


class SessionWithTurns(SessionSerializer):
    turns = TurnSerializer(many=True)
