"""Compares the chunking strategies on a text or a document: the page and the API."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.http import UserRequest
from accounts.models import User
from accounts.rest import ApiView
from core.rest.serializers import CamelCase
from core.text import uuid_or_none
from documents.access import document_for, documents_for
from documents.models import Document
from workspaces.access import workspace_for
from workspaces.models import ChunkingStrategy, Role, Workspace
from workspaces.pages import workspace_page

from .compare_chunking import MAX_CHARACTERS, attempts, load_sections, sections_of, sections_of_text

_TOO_MUCH = f"Paste at most {MAX_CHARACTERS:,} characters: longer texts are hard to compare."
_NEITHER = "Paste a text, or choose a document."
_LISTED = 200  # the latest documents, to choose from; the page of any other document links here too
_UNREAD = "This document has no text yet. Wait until it is ready, or choose another one."


class ComparisonForm(forms.Form):
    """The text to split, and the strategies.

    A document overrides the text, so that choosing one is enough.
    """

    document = forms.ModelChoiceField(Document.objects.none(), required=False, empty_label="The text below")
    text = forms.CharField(
        required=False,
        max_length=MAX_CHARACTERS,
        widget=forms.Textarea({"class": "textarea", "rows": 8, "dir": "auto"}),
        help_text=f"Markdown or plain text, at most {MAX_CHARACTERS:,} characters. Nothing is stored.",
        error_messages={"max_length": _TOO_MUCH},
    )
    strategies = forms.MultipleChoiceField(
        choices=ChunkingStrategy.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one strategy."},
    )
    chunk_size = forms.IntegerField(label="Length of a passage", min_value=101, max_value=9999)
    chunk_overlap = forms.IntegerField(label="Overlap with the previous passage", min_value=0)

    def __init__(self, user: User, workspace: Workspace, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "strategies": ChunkingStrategy.values,
            "chunk_size": workspace.chunk_size,
            "chunk_overlap": workspace.chunk_overlap,
            **kwargs.get("initial", {}),
        }
        super().__init__(*args, **kwargs)
        document = self.fields["document"]
        assert isinstance(document, forms.ModelChoiceField)
        document.queryset = documents_for(user, workspace)
        document.widget.attrs["class"] = "select"
        latest = document.queryset.filter(chunk_count__gt=0)[:_LISTED]
        chosen = document.queryset.filter(pk=kwargs["initial"].get("document"))
        rows = {each.pk: each.title for each in sorted({*latest, *chosen}, key=str)}
        document.choices = [("", document.empty_label or ""), *rows.items()]
        for name in ("chunk_size", "chunk_overlap"):
            self.fields[name].widget.attrs |= {"class": "input"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if (
            "text" in cleaned
            and "document" in cleaned
            and not (cleaned["document"] or cleaned["text"].strip())
        ):
            self.add_error("text", _NEITHER)
        if cleaned.get("document") and not cleaned["document"].sections.exists():
            self.add_error("document", _UNREAD)
        size, overlap = cleaned.get("chunk_size"), cleaned.get("chunk_overlap")
        if size is not None and overlap is not None and overlap >= size:
            self.add_error("chunk_overlap", "The overlap must be smaller than the length.")
        return cleaned


def compare(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Show the chunks of each strategy for a text or a document. For htmx, render only the results."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    initial = {"document": uuid_or_none(request.GET.get("document", ""))}
    form = ComparisonForm(request.user, workspace, request.POST or None, initial=initial)
    context: dict[str, Any] = {"form": form, "max_characters": MAX_CHARACTERS}
    if form.is_valid():
        context |= _compare(request.user, workspace, form.cleaned_data)
    template = "documents/_comparison.html" if request.htmx else "documents/comparison.html"
    return workspace_page(request, workspace, "chunking", template, **context)


def _compare(user: User, workspace: Workspace, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the requested attempts, with the document's own chunks first."""
    document: Document | None = asked.get("document")
    sections, is_cut = sections_of(document) if document else (sections_of_text(asked["text"]), False)
    chosen = [ChunkingStrategy(each) for each in asked["strategies"]]
    made = attempts(user, workspace, sections, chosen, asked["chunk_size"], asked["chunk_overlap"])
    own = [load_sections(document, sections)] if document else []
    characters = sum(len(section.text) for section in sections)
    return {"attempts": own + made, "document": document, "is_cut": is_cut, "characters": characters}


# --- the API ------------------------------------------------------------------------------------


class ComparisonRequest(CamelCase):
    text = serializers.CharField(
        max_length=MAX_CHARACTERS, required=False, help_text="Markdown or plain text, instead of a document."
    )
    document_id = serializers.UUIDField(
        required=False, help_text="A document of this workspace that has been read."
    )
    strategies = serializers.ListField(
        child=serializers.ChoiceField(ChunkingStrategy.choices),
        min_length=1,
        required=False,
        help_text="Absent: all.",
    )
    chunk_size = serializers.IntegerField(
        min_value=101, max_value=9999, required=False, help_text="Characters; absent: the workspace's."
    )
    chunk_overlap = serializers.IntegerField(
        min_value=0, required=False, help_text="Characters, less than the size."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("document_id" in attrs):
            raise serializers.ValidationError("Send either text or documentId.")
        return attrs


class PieceSerializer(CamelCase):
    number = serializers.IntegerField()
    section = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Offset in the section's text, in characters.")
    end = serializers.IntegerField()
    repeated = serializers.CharField(help_text="The beginning, which the previous chunk contains too.")
    own = serializers.CharField(help_text="The rest of the text.")
    title_path = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)
    above = serializers.CharField(help_text="The context that is embedded above the text.")


class StrategyAttemptSerializer(CamelCase):
    strategy = serializers.ChoiceField(ChunkingStrategy.choices)
    is_stored = serializers.BooleanField(help_text="true: the document's own chunks, as they are stored.")
    error = serializers.CharField(help_text="Why there are no chunks; empty if there are some.")
    mean_length = serializers.FloatField(help_text="Characters.")
    shortest = serializers.IntegerField()
    longest = serializers.IntegerField()
    repeated_percent = serializers.FloatField(help_text="The share of the text that is repeated.")
    chunks = PieceSerializer(many=True, source="pieces")


class ComparisonReply(CamelCase):
    characters = serializers.IntegerField(help_text="How many characters were split.")
    is_cut = serializers.BooleanField(help_text=f"Only the first {MAX_CHARACTERS:,} characters were used.")
    attempts = StrategyAttemptSerializer(many=True)


class CompareChunking(ApiView):
    @extend_schema(
        summary="Compare the chunking strategies on a text or a document",
        description="Nothing is stored. For a document, its own chunks come first.",
        tags=["workspaces"],
        request=ComparisonRequest,
        responses={200: ComparisonReply},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.EDITOR)
        asked = self.read(request, ComparisonRequest)
        size = asked.get("chunk_size", workspace.chunk_size)
        asked = {
            "strategies": ChunkingStrategy.values,
            "chunk_size": size,
            "chunk_overlap": min(workspace.chunk_overlap, size - 1),
            **asked,
        }
        if asked["chunk_overlap"] >= asked["chunk_size"]:
            raise serializers.ValidationError(
                {"chunkOverlap": ["The overlap must be smaller than the size."]}
            )
        if "document_id" in asked:
            asked["document"] = _document(self.user, workspace, asked["document_id"])
        return Response(ComparisonReply(_compare(self.user, workspace, asked)).data)


def _document(user: User, workspace: Workspace, document_id: UUID) -> Document:
    document = document_for(user, workspace, document_id)
    if not document.sections.exists():
        raise serializers.ValidationError({"documentId": [_UNREAD]})
    return document
