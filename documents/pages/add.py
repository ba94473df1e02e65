"""The pages that add documents, and the page that edits a written text or pair."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from documents.access import documents_for
from documents.adding import service as intake
from documents.adding.pairs import MAX_PAIRS, PairResult, add_pairs, read_pairs
from documents.adding.validation import pair_of, text_of, validate_pair, validate_text
from documents.errors import DocumentRefused
from documents.models import Document
from documents.parsing.media_types import ACCEPTED, MARKDOWN, TYPES
from workspaces.access import workspace_for
from workspaces.models import Role, Workspace
from workspaces.pages import workspace_page

from .forms import FilesForm, NewPairForm, NewTextForm, PairForm, PairsFileForm, TextForm

_EXTENSIONS = ",".join(f".{extension}" for kind in TYPES for extension in kind.extensions)


def files(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Add files from a plain form. With JavaScript, the page sends them as uploads instead."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = FilesForm(request.user, workspace, request.POST or None, request.FILES or None)
    if form.is_valid():
        refusals = [
            refusal
            for file in form.cleaned_data["file"]
            if (refusal := _refusal(request, workspace, file, form.cleaned_data))
        ]
        return _report(request, workspace, len(form.cleaned_data["file"]), refusals)
    return workspace_page(
        request, workspace, "add", "documents/add/files.html",
        form=form, max_bytes=settings.UPLOAD_MAX_BYTES, max_size=f"{settings.UPLOAD_MAX_BYTES // 1024**2:,} MB",
        accepted=ACCEPTED, extensions=_EXTENSIONS,
    )  # fmt: skip


def _refusal(request: UserRequest, workspace: Workspace, file: Any, said: dict[str, Any]) -> str:
    try:
        intake.add_file(workspace, request.user, file, file.name, said["language"], about=said["about"])
    except DocumentRefused as refusal:
        return f"{file.name}: {refusal}"
    return ""


def _report(request: UserRequest, workspace: Workspace, sent: int, refusals: list[str]) -> HttpResponse:
    if taken := sent - len(refusals):
        messages.success(
            request,
            f"{taken} file{'s' if taken > 1 else ''} added. Files are searchable once their status is Ready.",
        )
    for refusal in refusals:
        messages.error(request, refusal)
    return redirect("workspace" if taken else "workspace-add", workspace.id)


def text(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = NewTextForm(request.user, workspace, request.POST or None)
    if form.is_valid():
        try:
            document = intake.add_text(workspace, request.user, **form.cleaned_data)
        except DocumentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, f"{document.title} was added. It is searchable once its status is Ready."
            )
            return redirect("workspace", workspace.id)
    return workspace_page(request, workspace, "add", "documents/add/text.html", form=form)


def pairs(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Add one pair, then show an empty form again: users who add one pair often add several."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = NewPairForm(request.user, workspace, request.POST or None)
    if form.is_valid():
        try:
            document = intake.add_qa(workspace, request.user, **form.cleaned_data)
        except DocumentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            sentence = '“<a href="{}">{}</a>” was added. You can add another one here.'
            address = reverse("document", args=[workspace.id, document.id])
            messages.success(request, format_html(sentence, address, document.title))
            return redirect("workspace-add-pairs", workspace.id)
    return _pairs_page(request, workspace, form, PairsFileForm(request.user, workspace))


@require_POST
def pairs_file(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = PairsFileForm(request.user, workspace, request.POST, request.FILES)
    outcomes: list[PairResult] = []
    if form.is_valid():
        try:
            listed = read_pairs(form.cleaned_data["file"])
            said = form.cleaned_data
            outcomes = add_pairs(workspace, request.user, listed, said["language"], said["about"])
        except DocumentRefused as refusal:
            form.add_error("file", str(refusal))
    refused = [each for each in outcomes if each.document is None]
    if taken := len(outcomes) - len(refused):
        messages.success(request, f"{taken} question{'s' if taken > 1 else ''} added.")
        if not refused:
            return redirect("workspace", workspace.id)
    return _pairs_page(request, workspace, NewPairForm(request.user, workspace), form, refused)


def _pairs_page(
    request: UserRequest,
    workspace: Workspace,
    form: forms.Form,
    table_form: forms.Form,
    refused: list[PairResult] | None = None,
) -> HttpResponse:
    return workspace_page(
        request, workspace, "add", "documents/add/pairs.html",
        form=form, table_form=table_form, refused=refused, max_pairs=f"{MAX_PAIRS:,}",
    )  # fmt: skip


def edit(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    """Edit a written text, or a question with its answer."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    document = (
        documents_for(request.user, workspace).filter(pk=document_id, kind__in=Document.WRITTEN).first()
    )
    if document is None:
        raise Http404("There is no such text here.")
    form, check = _form_of(document, request)
    if form.is_valid():
        try:
            intake.change(document, request.user, check(**form.cleaned_data))
        except DocumentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Saved. Search finds the previous version until the new one is ready.")
            return redirect("document", workspace.id, document.id)
    return workspace_page(
        request, workspace, "documents", "documents/edit.html", document=document, form=form
    )


def _form_of(document: Document, request: UserRequest) -> tuple[forms.Form, Any]:
    data = request.POST or None
    try:
        if document.kind == Document.Kind.QA:
            question, answer = pair_of(document)
            return PairForm(data, initial={"question": question, "answer": answer}), validate_pair
        is_markdown = document.media_type == MARKDOWN.name
        written = {"title": document.title, "text": text_of(document), "is_markdown": is_markdown}
        return TextForm(data, initial=written), validate_text
    except FileNotFoundError as error:
        raise Http404("The stored text is missing. Delete the document and add it again.") from error
