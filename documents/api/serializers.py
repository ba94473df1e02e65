from django.conf import settings
from rest_framework import serializers

from core.rest.serializers import CamelCase
from documents.adding.pairs import MAX_PAIRS
from documents.adding.validation import MAX_TITLE_CHARACTERS
from documents.models import Document, Search
from documents.retrieval.types import LEGS
from workspaces.serializers import LANGUAGE_CODES

MAX_PASSAGES = 50


FILTERS_HELP = (
    'Which documents: {"department": ["legal", "hr"], "date": {"from": "2024-01-01"}, "draft": false, '
    '"region": {"not": "us"}}. Names of fields; a value, any of a list, or an object of from, to and not.'
)


class DocumentSerializer(CamelCase):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Document.Kind.choices)
    path = serializers.CharField(help_text="Within the folder that a command added; else empty.")
    title = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    language = serializers.CharField()
    metadata = serializers.JSONField(help_text="Of the workspace's fields, those that are known.")
    access_level = serializers.IntegerField(help_text="Members see it whose own is at least this; from 0.")
    is_language_chosen = serializers.BooleanField(help_text="By somebody; else it was found from the text.")
    status = serializers.ChoiceField(Document.Status.choices)
    stage = serializers.ChoiceField(Document.Stage.choices)
    percent = serializers.IntegerField(help_text="How far embedding is, 0 to 100.")
    attempt = serializers.IntegerField()
    error = serializers.CharField(help_text="Why it failed or waits, in words; empty when all is well.")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    summary = serializers.CharField(help_text="In a model's words, where the workspace has one for it.")
    chunk_count = serializers.IntegerField()
    page_count = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    ready_at = serializers.DateTimeField(allow_null=True)


def _language() -> serializers.ChoiceField:
    return serializers.ChoiceField(
        LANGUAGE_CODES, required=False, help_text="One of the workspace's; absent: what the text reads as."
    )


class Describing(CamelCase):
    """What somebody may say of a document."""

    metadata = serializers.JSONField(
        required=False,
        help_text='Values of the workspace\'s fields: {"department": "legal", "date": "2024-01-31"}; null takes one '
        "away.",
    )
    access_level = serializers.IntegerField(
        required=False, help_text="From 0, at most your own; members see it whose own is at least this."
    )


class DocumentChanges(Describing):
    language = serializers.ChoiceField(
        LANGUAGE_CODES, required=False, help_text="One of the workspace's; it is read again."
    )


class FileUpload(Describing):
    file = serializers.FileField()
    title = serializers.CharField(max_length=300, required=False, help_text="Absent: the file's name.")
    language = _language()


class WrittenText(CamelCase):
    title = serializers.CharField(max_length=MAX_TITLE_CHARACTERS)
    text = serializers.CharField(trim_whitespace=False)
    is_markdown = serializers.BooleanField(default=False, help_text="Headings are marked with #.")


class NewText(WrittenText, Describing):
    language = _language()


class QuestionAndAnswer(CamelCase):
    question = serializers.CharField(help_text=f"One line of at most {MAX_TITLE_CHARACTERS} characters.")
    answer = serializers.CharField(trim_whitespace=False)


class NewPairs(Describing):
    pairs = serializers.ListField(child=QuestionAndAnswer(), min_length=1, max_length=MAX_PAIRS)
    language = _language()


class PairsFile(Describing):
    file = serializers.FileField(help_text='CSV with the columns "question" and "answer".')
    language = _language()


class PairOutcome(CamelCase):
    row = serializers.IntegerField(help_text="From 1.")
    question = serializers.CharField()
    document = DocumentSerializer(allow_null=True, help_text="null: it was refused.")
    refusal = serializers.CharField(help_text="Why, in words.")


class PairsReply(CamelCase):
    added = serializers.IntegerField()
    refused = serializers.IntegerField()
    pairs = PairOutcome(many=True)


class NewUpload(Describing):
    name = serializers.CharField(max_length=MAX_TITLE_CHARACTERS, help_text="The file's name.")
    size_bytes = serializers.IntegerField(min_value=1, help_text="Exactly; no other size is taken.")
    language = _language()


class UploadSerializer(CamelCase):
    id = serializers.UUIDField()
    url = serializers.CharField(help_text="Where to POST the file, as multipart/form-data.")
    form = serializers.DictField(
        child=serializers.CharField(), help_text="Fields of the form to send before `file`."
    )
    expires_at = serializers.DateTimeField(help_text="What has not become a document by then is thrown away.")


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
    start = serializers.IntegerField(help_text="Characters into the section's text.")
    end = serializers.IntegerField()
    text = serializers.CharField()
    title_path = serializers.ListField(child=serializers.CharField(), help_text="Headings, outermost first.")
    page = serializers.IntegerField(allow_null=True)
    score = serializers.FloatField(help_text="For ordering only.")
    dense_rank = serializers.IntegerField(
        source="ranks.dense.place", allow_null=True, help_text="By meaning, from 1."
    )
    dense_score = serializers.FloatField(
        source="ranks.dense.score", allow_null=True, help_text="Similarity, by the workspace's metric."
    )
    lexical_rank = serializers.IntegerField(
        source="ranks.lexical.place", allow_null=True, help_text="By words, from 1."
    )
    lexical_score = serializers.FloatField(source="ranks.lexical.score", allow_null=True)
    rerank_score = serializers.FloatField(
        source="ranks.rerank.score", allow_null=True, help_text="Of the cross-encoder, if there is one."
    )


class LegSerializer(CamelCase):
    name = serializers.ChoiceField(LEGS)
    found = serializers.IntegerField()
    took_ms = serializers.FloatField()
    error = serializers.CharField()


class FoundSerializer(CamelCase):
    """One candidate of a search: its text is that stretch of its document's section."""

    document_id = serializers.UUIDField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Characters into the section's text.")
    end = serializers.IntegerField()
    rank = serializers.IntegerField(help_text="Of all ways of finding joined, from 1.")
    score = serializers.FloatField(help_text="For ordering only.")
    dense_rank = serializers.IntegerField(allow_null=True, help_text="By meaning, from 1.")
    dense_score = serializers.FloatField(allow_null=True)
    lexical_rank = serializers.IntegerField(allow_null=True, help_text="By words, from 1.")
    lexical_score = serializers.FloatField(allow_null=True)
    rerank_rank = serializers.IntegerField(allow_null=True, help_text="By the cross-encoder.")
    rerank_score = serializers.FloatField(allow_null=True)
    fate = serializers.CharField(help_text='"prompt", or in words why it was left out.')
    passage = serializers.IntegerField(allow_null=True, help_text="The number of the passage that quotes it.")


class TraceSerializer(CamelCase):
    """Everything that led to the passages of one search."""

    question = serializers.CharField(default="")
    sent = serializers.CharField(default="", help_text="The question as it was searched.")
    legs = LegSerializer(many=True, default=list, help_text="How each way of finding went.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), default=dict)
    dropped = serializers.DictField(
        child=serializers.IntegerField(), default=dict, help_text="Why candidates were left out: how many."
    )
    candidates = FoundSerializer(many=True, default=list, help_text="The best 50, in the last order.")
    circumstances = serializers.DictField(
        default=dict, help_text="How the workspace was searched, and how much it held."
    )


class StoredSearch(CamelCase):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    question = serializers.CharField()
    outcome = serializers.ChoiceField(Search.Outcome.choices)
    error = serializers.CharField(help_text="Why it failed, in words.")
    created_at = serializers.DateTimeField()
    trace = TraceSerializer()


class SearchReply(CamelCase):
    id = serializers.UUIDField(help_text="Of what is kept of it for a while: GET /api/v1/searches/{id}.")
    outcome = serializers.ChoiceField(
        ["found", "nothing_relevant", "empty"],
        help_text="nothing_relevant: nothing in here is about it. empty: there is nothing in here yet.",
    )
    passages = PassageSerializer(many=True)
    legs = LegSerializer(many=True, source="trace.legs", help_text="How each way of finding went.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), source="trace.timings_ms")
    dropped = serializers.DictField(child=serializers.IntegerField(), source="trace.dropped")
    candidates = FoundSerializer(
        many=True, source="trace.candidates", help_text="The best 50 with what became of each."
    )
