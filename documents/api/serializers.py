from django.conf import settings
from rest_framework import serializers

from core.rest.serializers import CamelCase
from documents.adding.pairs import MAX_PAIRS
from documents.adding.validation import MAX_TITLE_CHARACTERS
from documents.models import Document, Search
from documents.retrieval.types import LEGS
from workspaces.serializers import LanguageField

MAX_PASSAGES = 50


FILTERS_HELP = (
    'Which documents: {"department": ["legal", "hr"], "date": {"from": "2024-01-01"}, "draft": false, '
    '"region": {"not": "us"}}. Each key is a field. Its value is one value, a list of alternatives, or an object '
    "with from, to and not. document names documents by their titles."
)


class ReadingNoteSerializer(CamelCase):
    kind = serializers.ChoiceField(["left_out", "warning", "read"])
    text = serializers.CharField(help_text="A sentence.")
    count = serializers.IntegerField(help_text="How many parts of the file it speaks of.")


class ReadingSerializer(CamelCase):
    """What was read of a file, and what was not."""

    parser = serializers.CharField(default="", help_text="Empty: it was read before this was kept.")
    facts = serializers.DictField(
        default=dict, help_text="Numbers or words by name, such as pages, encoding, sheets or attachments."
    )
    notes = ReadingNoteSerializer(many=True, default=list)


class DocumentSerializer(CamelCase):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Document.Kind.choices)
    path = serializers.CharField(help_text="The path within an imported folder; otherwise empty.")
    title = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    language = serializers.CharField()
    metadata = serializers.JSONField(help_text="The workspace's fields that have a value.")
    access_level = serializers.IntegerField(help_text="From 0. Members with at least this level see it.")
    is_language_chosen = serializers.BooleanField(help_text="false: it was detected from the text.")
    status = serializers.ChoiceField(Document.Status.choices)
    stage = serializers.ChoiceField(Document.Stage.choices)
    percent = serializers.IntegerField(help_text="Progress of embedding, 0 to 100.")
    attempt = serializers.IntegerField()
    error = serializers.CharField(help_text="Why it failed or waits; empty if there is no problem.")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    summary = serializers.CharField(help_text="Written by the workspace's summary model, if it has one.")
    chunk_count = serializers.IntegerField()
    page_count = serializers.IntegerField(allow_null=True)
    reading = ReadingSerializer()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)


def language_to_detect() -> LanguageField:
    return LanguageField(
        required=False,
        allow_blank=True,  # forms send "" when no language is chosen
        allow_null=True,
        help_text="One of the workspace's; absent, null or empty: detected from the text.",
    )


class Describing(CamelCase):
    """The metadata that a request may set on documents."""

    metadata = serializers.JSONField(
        required=False,
        help_text='Values of the workspace\'s fields: {"department": "legal", "date": "2024-01-31"}; null removes '
        "one.",
    )
    access_level = serializers.IntegerField(
        required=False, help_text="From 0, at most your own. Members with at least this level see it."
    )


class DocumentChanges(Describing):
    language = LanguageField(required=False, help_text="One of the workspace's; the document is read again.")


class FileUpload(Describing):
    file = serializers.FileField()
    title = serializers.CharField(max_length=300, required=False, help_text="Absent: the file's name.")
    language = language_to_detect()


class WrittenText(CamelCase):
    title = serializers.CharField(max_length=MAX_TITLE_CHARACTERS)
    text = serializers.CharField(trim_whitespace=False)
    is_markdown = serializers.BooleanField(default=False, help_text="The text is Markdown.")


class NewText(WrittenText, Describing):
    language = language_to_detect()


class QuestionAndAnswer(CamelCase):
    question = serializers.CharField(help_text=f"One line of at most {MAX_TITLE_CHARACTERS} characters.")
    answer = serializers.CharField(trim_whitespace=False)


class NewPairs(Describing):
    pairs = serializers.ListField(child=QuestionAndAnswer(), min_length=1, max_length=MAX_PAIRS)
    language = language_to_detect()


class PairsFile(Describing):
    file = serializers.FileField(help_text='CSV with the columns "question" and "answer".')
    language = language_to_detect()


class PairOutcome(CamelCase):
    row = serializers.IntegerField(help_text="From 1.")
    question = serializers.CharField()
    document = DocumentSerializer(allow_null=True, help_text="null: the pair was refused.")
    refusal = serializers.CharField(help_text="Why the pair was refused.")


class PairsReply(CamelCase):
    added = serializers.IntegerField()
    refused = serializers.IntegerField()
    pairs = PairOutcome(many=True)


class NewUpload(Describing):
    name = serializers.CharField(max_length=MAX_TITLE_CHARACTERS, help_text="The file's name.")
    size_bytes = serializers.IntegerField(
        min_value=1, help_text="The exact size; a file of another size is refused."
    )
    language = language_to_detect()


class UploadSerializer(CamelCase):
    id = serializers.UUIDField()
    url = serializers.CharField(help_text="Where to POST the file, as multipart/form-data.")
    form = serializers.DictField(
        child=serializers.CharField(), help_text="Form fields to send before `file`."
    )
    expires_at = serializers.DateTimeField(help_text="An upload that is not completed by then is deleted.")


class UploadedFile(CamelCase):
    file = serializers.FileField()


class QuestionOfWorkspace(CamelCase):
    workspace_id = serializers.UUIDField()
    query = serializers.CharField(max_length=settings.QUESTION_MAX_CHARACTERS)
    filters = serializers.JSONField(default=dict, help_text=FILTERS_HELP)


class SearchRequest(QuestionOfWorkspace):
    limit = serializers.IntegerField(default=6, min_value=1, max_value=MAX_PASSAGES)


class PassageSerializer(CamelCase):
    number = serializers.IntegerField(help_text="From 1, best first.")
    document_id = serializers.UUIDField()
    document_title = serializers.CharField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Offset in the section's text, in characters.")
    end = serializers.IntegerField()
    text = serializers.CharField()
    title_path = serializers.ListField(child=serializers.CharField(), help_text="Headings, outermost first.")
    page = serializers.IntegerField(allow_null=True)
    score = serializers.FloatField(help_text="For ordering only.")
    dense_rank = serializers.IntegerField(
        source="ranks.dense.place", allow_null=True, help_text="Rank by meaning, from 1."
    )
    dense_score = serializers.FloatField(
        source="ranks.dense.score", allow_null=True, help_text="Similarity, by the workspace's metric."
    )
    lexical_rank = serializers.IntegerField(
        source="ranks.lexical.place", allow_null=True, help_text="Rank by words, from 1."
    )
    lexical_score = serializers.FloatField(
        source="ranks.lexical.score", allow_null=True, help_text="null for users with an access level."
    )
    rerank_score = serializers.FloatField(
        source="ranks.rerank.score", allow_null=True, help_text="The cross-encoder's score, if there is one."
    )


class LegSerializer(CamelCase):
    name = serializers.ChoiceField(LEGS)
    found = serializers.IntegerField()
    took_ms = serializers.FloatField()
    error = serializers.CharField()


class FoundSerializer(CamelCase):
    """One candidate of a search. Its text is the characters from start to end of its document's section."""

    document_id = serializers.UUIDField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Offset in the section's text, in characters.")
    end = serializers.IntegerField()
    rank = serializers.IntegerField(help_text="Rank after the fusion of all retrievers, from 1.")
    score = serializers.FloatField(help_text="For ordering only.")
    dense_rank = serializers.IntegerField(allow_null=True, help_text="Rank by meaning, from 1.")
    dense_score = serializers.FloatField(allow_null=True)
    lexical_rank = serializers.IntegerField(allow_null=True, help_text="Rank by words, from 1.")
    lexical_score = serializers.FloatField(allow_null=True)
    rerank_rank = serializers.IntegerField(allow_null=True, help_text="Rank by the cross-encoder.")
    rerank_score = serializers.FloatField(allow_null=True)
    fate = serializers.CharField(help_text='"prompt", or the reason why it was left out.')
    passage = serializers.IntegerField(allow_null=True, help_text="The number of the passage that quotes it.")


class TraceSerializer(CamelCase):
    """Everything that led to the passages of one search."""

    question = serializers.CharField(default="")
    sent = serializers.CharField(
        default="",
        help_text="The query that was searched; for a follow-up also the previous question and this one.",
    )
    is_related = serializers.BooleanField(
        default=None,
        allow_null=True,
        help_text="Whether the previous question belongs to this one, so that it counts; null: it was not searched.",
    )
    legs = LegSerializer(many=True, default=list, help_text="The outcome of each retriever.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), default=dict)
    dropped = serializers.DictField(
        child=serializers.IntegerField(),
        default=dict,
        help_text="How many candidates were left out, by reason.",
    )
    candidates = FoundSerializer(many=True, default=list, help_text="The best 50, in their final order.")
    circumstances = serializers.DictField(
        default=dict, help_text="The workspace's search settings and its size at that time."
    )


class StoredSearch(CamelCase):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    question = serializers.CharField()
    outcome = serializers.ChoiceField(Search.Outcome.choices)
    error = serializers.CharField(help_text="Why it failed.")
    created_at = serializers.DateTimeField()
    trace = TraceSerializer()


class SearchReply(CamelCase):
    id = serializers.UUIDField(help_text="The trace is kept for a while: GET /api/v1/searches/{id}.")
    outcome = serializers.ChoiceField(
        ["found", "nothing_relevant", "empty"],
        help_text="nothing_relevant: no document is about the question. empty: the workspace has no content yet.",
    )
    passages = PassageSerializer(many=True)
    legs = LegSerializer(many=True, source="trace.legs", help_text="The outcome of each retriever.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), source="trace.timings_ms")
    dropped = serializers.DictField(child=serializers.IntegerField(), source="trace.dropped")
    candidates = FoundSerializer(
        many=True, source="trace.candidates", help_text="The best 50, each with its fate."
    )
