from django.conf import settings
from rest_framework import serializers

from accounts.rest import CamelCase
from workspaces.serializers import LANGUAGE_CODES

from .models import Document

MAX_PASSAGES = 50


class DocumentSerializer(CamelCase):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Document.Kind.choices)
    title = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    language = serializers.CharField()
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


class FileUpload(CamelCase):
    file = serializers.FileField()
    title = serializers.CharField(max_length=300, required=False, help_text="Absent: the file's name.")
    language = serializers.ChoiceField(
        LANGUAGE_CODES, required=False, help_text="One of the workspace's; absent: its first."
    )


class SearchRequest(CamelCase):
    workspace_id = serializers.UUIDField()
    query = serializers.CharField(max_length=settings.QUESTION_MAX_CHARACTERS)
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
    dense_rank = serializers.IntegerField(allow_null=True, help_text="By meaning, from 1.")
    dense_score = serializers.FloatField(allow_null=True, help_text="Similarity, by the workspace's metric.")
    lexical_rank = serializers.IntegerField(allow_null=True, help_text="By words, from 1.")
    lexical_score = serializers.FloatField(allow_null=True)
    rerank_score = serializers.FloatField(allow_null=True, help_text="Of the cross-encoder, if there is one.")


class LegSerializer(CamelCase):
    name = serializers.ChoiceField(["dense", "lexical", "rerank"])
    found = serializers.IntegerField()
    took_ms = serializers.FloatField()
    error = serializers.CharField()


class SearchReply(CamelCase):
    outcome = serializers.ChoiceField(
        ["found", "nothing_relevant", "empty"],
        help_text="nothing_relevant: nothing in here is about it. empty: there is nothing in here yet.",
    )
    passages = PassageSerializer(many=True)
    legs = LegSerializer(many=True, source="trace.legs", help_text="How each way of finding went.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), source="trace.timings_ms")
    dropped = serializers.DictField(child=serializers.IntegerField(), source="trace.dropped")
