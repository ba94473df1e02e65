from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chat.answering.branches import Tree, versions_of
from chat.answering.withholding import withhold
from chat.asking.ratings import MAX_COMMENT_CHARACTERS
from chat.asking.turns import MAX_MODELS
from chat.finding.conversation_search import FoundSession
from chat.models import Answer, Turn
from core.rest.serializers import CamelCase
from documents.doors import FILTERS_HELP, TraceSerializer


class SessionSerializer(CamelCase):
    id = serializers.UUIDField(read_only=True)
    title = serializers.CharField(
        max_length=120, required=False, help_text="If absent, the first question becomes the title."
    )
    is_pinned = serializers.BooleanField(required=False)
    temporary = serializers.BooleanField(
        source="is_temporary",
        required=False,
        help_text="A temporary session is in no list, and is deleted with all its words when you delete it or log out, or "
        "30 minutes after the last call about it. What it cost stays.",
    )
    is_archived = serializers.BooleanField(
        required=False, help_text="Out of the list on the page, but found by the search and not deleted."
    )
    folder_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="The folder that the session is in; null: none."
    )
    tags = serializers.ListField(
        child=serializers.CharField(), source="tag_names", required=False, help_text="Replaces all tags."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class FolderSerializer(CamelCase):
    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(
        help_text="At most 60 characters, and different from the other folders' names."
    )
    session_count = serializers.IntegerField(read_only=True, help_text="Without those in the archive.")
    archived_count = serializers.IntegerField(read_only=True)


class FoundTextSerializer(CamelCase):
    text = serializers.CharField()
    is_match = serializers.BooleanField(help_text="Whether this part is one of the words.")


class FoundSessionSerializer(CamelCase):
    session = SessionSerializer()
    turn_id = serializers.UUIDField(
        allow_null=True, help_text="The newest turn that has the words; null: only the title has them."
    )
    snippet = serializers.SerializerMethodField(help_text="The words with the text around them, in parts.")

    @extend_schema_field(FoundTextSerializer(many=True))
    def get_snippet(self, found: FoundSession) -> list[dict[str, Any]]:
        return [{"text": text, "isMatch": is_match} for text, is_match in found.snippet]


class SearchResultSerializer(CamelCase):
    sessions = FoundSessionSerializer(many=True)
    has_more = serializers.BooleanField()
    is_complete = serializers.BooleanField(
        help_text="False while older conversations are still being indexed."
    )


class CitationSerializer(CamelCase):
    number = serializers.IntegerField(help_text="As cited in the text: [1].")
    document_id = serializers.UUIDField(allow_null=True, help_text="Null if the document was deleted.")
    document_title = serializers.CharField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Character offset in the section's text.")
    end = serializers.IntegerField()
    text = serializers.CharField()
    title_path = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)
    is_imported = serializers.BooleanField(
        help_text="True if it came with an imported conversation: it was not checked against any document."
    )


class AttemptSerializer(CamelCase):
    """The usage of an attempt to write an answer that was interrupted."""

    fence = serializers.IntegerField(help_text="The number of the attempt, as in the event `started`.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6, help_text="US dollars.")
    is_estimate = serializers.BooleanField(help_text="True if the model's server had not reported usage yet.")


class AnswerSerializer(CamelCase):
    id = serializers.UUIDField()
    model = serializers.CharField(source="endpoint_name")

    lane = serializers.IntegerField(
        help_text="From 0. Several models answer side by side, in one lane each. A lane holds an answer and "
        "its later versions."
    )
    status = serializers.ChoiceField(Answer.Status.choices)
    grounding = serializers.ChoiceField(Answer.Grounding.choices)
    text = serializers.CharField(help_text="Complete when the status is finished, stopped or failed.")
    error = serializers.CharField()
    passages = CitationSerializer(many=True)
    input_tokens = serializers.IntegerField(
        help_text="The sum over all attempts; so are the next two fields."
    )
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6, help_text="US dollars.")
    broken_off = AttemptSerializer(
        many=True,
        help_text="Earlier attempts that reached the model and were interrupted because their process died.",
    )
    created_at = serializers.DateTimeField()
    first_token_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    chosen_at = serializers.DateTimeField(
        allow_null=True,
        help_text="The conversation continues from the answer chosen last, or, if none was chosen, from the "
        "newest answer in the first lane that has text.",
    )

    def to_representation(self, instance: Answer) -> Any:
        return super().to_representation(withhold(instance))


class PromptMessage(CamelCase):
    role = serializers.CharField(help_text="system, user or assistant.")
    text = serializers.CharField()


class AnswerTraceSerializer(TraceSerializer):
    """How one answer came about. Its search is empty if no search was made."""

    prompt = PromptMessage(many=True, default=list, help_text="Exactly as it was sent to the model.")
    prompt_tokens = serializers.IntegerField(
        default=0, help_text="Tokens of the prompt, counted before it was sent."
    )


class ModelKwargs(CamelCase):
    streaming = serializers.BooleanField(
        default=True, help_text="Whether the model streams its words as it generates them."
    )
    max_tokens = serializers.IntegerField(default=512, help_text="The longest answer in tokens: 1 to 8192.")
    temperature = serializers.FloatField(default=0.1, help_text="0 (more literal) to 2 (more varied).")
    top_p = serializers.FloatField(default=1.0, help_text="0 to 1.")


class NewTurn(CamelCase):
    text = serializers.CharField(trim_whitespace=False)
    message_id = serializers.CharField(
        required=False,
        help_text="A new id for each message. You can send it in the Idempotency-Key header instead.",
    )
    workspace_id = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The workspace to search. If absent, the model answers without documents.",
    )
    filters = serializers.JSONField(default=dict, help_text=FILTERS_HELP)
    follows_id = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The turn that the question follows. If absent, the last one of the path that was shown last.",
    )
    edits_id = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The turn that the question is another version of. Both stay, each with the turns that follow it.",
    )
    model_name = serializers.CharField(
        required=False, allow_blank=True, help_text="A chat model's name or id. If absent, the default model."
    )
    model_names = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=MAX_MODELS,
        help_text="Instead of modelName: several models, side by side. Each gives its own answer, with its "
        "own cost, and can be stopped on its own.",
    )
    model_kwargs = ModelKwargs(required=False)
    priority = serializers.ChoiceField(
        ["interactive", "batch"],
        default="interactive",
        help_text="batch: low priority. Interactive answers are written first.",
    )


class NewVersion(CamelCase):
    message_id = serializers.CharField(
        required=False,
        help_text="A new id for each version. You can send it in the Idempotency-Key header instead.",
    )
    model_name = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="A chat model's name or id. If absent, the model of the old answer.",
    )
    model_kwargs = ModelKwargs(required=False, help_text="If absent, those of the old answer.")
    continues = serializers.BooleanField(
        default=False,
        help_text="Go on with the text and the passages of the old answer, which was cut at its limit, stopped, or "
        "broken off by a failure.",
    )


class RatingSerializer(CamelCase):
    is_good = serializers.BooleanField()
    comment = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_COMMENT_CHARACTERS,
        help_text="The reason for the rating. Operators can read it.",
    )
    updated_at = serializers.DateTimeField(read_only=True)


class TurnSerializer(CamelCase):
    id = serializers.UUIDField()
    parent_id = serializers.UUIDField(allow_null=True, help_text="The turn before it; null for a first one.")
    message_id = serializers.CharField()
    text = serializers.CharField()
    workspace_id = serializers.UUIDField(allow_null=True)
    filters = serializers.JSONField(help_text="Which of the workspace's documents were searched.")
    created_at = serializers.DateTimeField()
    version_ids = serializers.SerializerMethodField(
        method_name="get_version_ids",
        help_text="The versions of this question, itself included, oldest first.",
    )
    answers = AnswerSerializer(many=True)

    def get_version_ids(self, turn: Turn) -> list[UUID]:
        tree: Tree | None = self.context.get("tree")  # for many turns of a session
        return tree.versions(turn.pk) if tree else versions_of(turn)


class SummarySerializer(CamelCase):
    text = serializers.CharField(
        read_only=True,
        help_text="Empty if there is no summary, or if it may repeat documents that you may not see any more.",
    )
    last_turn_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The last turn that the summary covers."
    )
    is_on = serializers.BooleanField(help_text="false deletes the summary, and no new one is written.")
    is_due = serializers.BooleanField(
        read_only=True, help_text="Whether a new summary is queued or being written."
    )
    error = serializers.CharField(
        read_only=True, help_text="Why the last attempt failed. The text is then the previous summary."
    )
    input_tokens = serializers.IntegerField(
        read_only=True, help_text="The sum over all versions of the summary; so are the next two fields."
    )
    output_tokens = serializers.IntegerField(read_only=True)
    cost = serializers.DecimalField(12, 6, read_only=True, help_text="US dollars.")
    written_at = serializers.DateTimeField(read_only=True, allow_null=True)


class SessionWithTurns(SessionSerializer):
    turns = TurnSerializer(many=True)
