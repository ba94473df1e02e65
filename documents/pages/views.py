"""The pages of the workspace list, the document list, a document, and the search."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Lower
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.http import UserRequest
from accounts.models import User
from core.text import storable, uuid_or_none
from documents.access import documents_for, hidden_from
from documents.adding import service as intake
from documents.errors import DocumentRefused, RetrievalFailed
from documents.fields import metadata
from documents.fields.filters import filters_in, inputs_of
from documents.fields.forms import MetadataForm, SourceMetadataForm
from documents.ingestion.attempt_timeline import Timeline, load_timeline
from documents.ingestion.dead_letters import replay
from documents.ingestion.deletion import delete_document
from documents.ingestion.health import is_stuck
from documents.ingestion.restart import restart
from documents.models import Document
from documents.parsing.media_types import MARKDOWN
from documents.reindex import service as reindex
from documents.retrieval.explain import explain_search
from documents.retrieval.search_history import search_and_record, search_for
from documents.sources.views import source_page
from workspaces.access import may_create_workspaces, role_in, workspace_for, workspaces_for
from workspaces.errors import InvalidValue
from workspaces.languages import choices_of, named
from workspaces.metadata_schema import fields_of
from workspaces.models import Membership, Role, Workspace
from workspaces.pages import workspace_page

from .filter_inputs import filter_context
from .listing import Listing, ListQuery, listing, version
from .reading import Stretch, read
from .status_bar import status_bar_context

_WORKING = (Document.Status.PENDING, Document.Status.PROCESSING)


def workspaces(request: UserRequest) -> HttpResponse:
    ids = workspaces_for(request.user).values("pk")
    seen = ~Q(documents__in=hidden_from(request.user))
    listed = (
        Workspace.objects.filter(pk__in=ids)
        .annotate(
            working=Count("documents", filter=seen & Q(documents__status__in=_WORKING)),
            failed=Count("documents", filter=seen & Q(documents__status=Document.Status.FAILED)),
            total=Count("documents", filter=seen),
            chunks=Sum("documents__chunk_count", filter=seen, default=0),
        )
        .order_by(Lower("name"))
    )
    roles = dict(Membership.objects.filter(user=request.user).values_list("workspace_id", "role"))
    rows = [(each, _role_label(roles.get(each.pk))) for each in listed]
    may_create = may_create_workspaces(request.user)
    return render(request, "workspaces/list.html", {"rows": rows, "may_create": may_create})


def _role_label(role: str | None) -> str:
    """Return the label of a role. Only operators see workspaces in which they have no role."""
    return Role(role).label if role else "Operator"


def documents(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Show the document list; for htmx only the table; for an open page (`seen`) only what changed."""
    workspace = workspace_for(request.user, workspace_id)
    choice = ListQuery.parse(workspace, request.GET)
    found = listing(documents_for(request.user, workspace), workspace, choice, request.GET.get("page"))
    if "seen" in request.GET:
        return _changes(request, workspace, found, set(request.GET["seen"].split(".")))
    template = "documents/_table.html" if request.htmx else "documents/list.html"
    form_class = SourceMetadataForm if found.has_sources else MetadataForm
    context = filter_context(request.user, workspace, choice.filters) | _describing(
        form_class(request.user, workspace, sent_with="selection", auto_id="id_selected_%s")
    )
    return workspace_page(request, workspace, "documents", template, listing=found, **context)


def _describing(form: MetadataForm) -> dict[str, Any]:
    """Return the metadata form as context, or None if it has no fields."""
    return {"about_form": form if form.fields else None}


def _changes(request: UserRequest, workspace: Workspace, found: Listing, seen: set[str]) -> HttpResponse:
    """Return the changed counts and rows; the whole list if other rows are on it; 204 if nothing changed."""
    is_same_page = found.shape in seen
    changed = [document for document in found.page if version(document) not in seen]
    has_counts = found.counts_version in seen
    if is_same_page and has_counts and not changed:
        return HttpResponse(status=204)
    return workspace_page(
        request, workspace, "documents", "documents/_changes.html",
        listing=found, is_same_page=is_same_page, has_counts=has_counts, changed=changed,
    )  # fmt: skip


def search(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    # PostgreSQL rejects NUL in text
    question = storable(request.GET.get("q", "")).strip()
    filters = filters_in(request.GET)
    context: dict[str, Any] = {
        "question": question,
        "question_max": settings.QUESTION_MAX_CHARACTERS,
        **filter_context(request.user, workspace, filters),
    }
    if len(question) > settings.QUESTION_MAX_CHARACTERS:
        context["question_length"] = len(question)
    elif question:
        try:
            kept, found = search_and_record(
                request.user, workspace, question, filters, limit=10, token_budget=6000
            )
            lexical = (each.ranks.get("lexical") for each in found.passages)
            most = max((rank.score or 0 for rank in lexical if rank), default=0)
            context |= {"kept": kept, "result": found, "most_by_words": most}
        except RetrievalFailed as failure:
            context["failure"] = str(failure)
        except InvalidValue as problem:
            context["bad_filter"] = str(problem)
    template = "documents/_results.html" if request.htmx else "documents/search.html"
    return workspace_page(request, workspace, "search", template, **context)


@never_cache
@require_safe
def search_why(request: UserRequest, search_id: UUID) -> HttpResponse:
    """Show the trace of a search that a user ran without asking for an answer."""
    found = search_for(request.user, search_id)
    told = explain_search(request.user, found.trace, found.created_at)
    again = urlencode([("q", found.question), *inputs_of(found.trace.get("filters", {}))])
    context = {"search": found, "why": told, "again": again, "kept_days": settings.SEARCHES_KEPT_DAYS}
    return render(request, "documents/why.html", context)


def document(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    found = _document(request.user, workspace, document_id)
    known = _metadata_context(request, workspace, found)
    if hasattr(found, "source"):
        return source_page(request, workspace, found, known)
    timeline = load_timeline(found, with_earlier="earlier" in request.GET)
    if "seen" in request.GET:
        return _progress(request, workspace, found, timeline, request.GET["seen"])
    stretch = Stretch.parse(request.GET)
    return workspace_page(
        request, workspace, "documents", "documents/document.html",
        document=found, is_markdown=found.media_type == MARKDOWN.name, reading=read(found, stretch, request.GET.get("page")),
        timeline=timeline, language=named(found.language),
        languages=choices_of(workspace.languages),
        **known,
    )  # fmt: skip


def _metadata_context(request: UserRequest, workspace: Workspace, document: Document) -> dict[str, Any]:
    """Return a document's metadata for its page, and the form that changes it."""
    levels = workspace.access_levels
    level = levels[document.access_level] if document.access_level < len(levels) else ""
    known = [
        (field.label, document.metadata.get(name), name in document.found_fields)
        for name, field in fields_of(workspace).items()
    ]
    form_class = SourceMetadataForm if hasattr(document, "source") else MetadataForm
    form = form_class(request.user, workspace, initial=MetadataForm.initial_of(document), is_whole=True)
    return {"known": known, "level": level} | _describing(form)


def _progress(
    request: UserRequest, workspace: Workspace, document: Document, timeline: Timeline, seen: str
) -> HttpResponse:
    if version(document) == seen:
        return HttpResponse(status=204)
    template = "documents/_progress_change.html"
    return workspace_page(request, workspace, "documents", template, document=document, timeline=timeline)


def download(request: UserRequest, workspace_id: UUID, document_id: UUID) -> FileResponse:
    """Send the original file as an attachment, so that browsers never render it as a page of our origin."""
    found = _document(request.user, workspace_for(request.user, workspace_id), document_id)
    if not found.file:
        raise Http404("A website or feed has no file.")
    try:
        file = found.file.open("rb")
    except FileNotFoundError as error:
        raise Http404("The original file is gone.") from error
    return FileResponse(
        file, as_attachment=True, filename=found.title, content_type="application/octet-stream"
    )


@require_POST
def retry(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    found = _document(request.user, workspace, document_id)
    if restart(found, request.user):
        messages.success(request, f"{found.title} is being read again.")
    else:
        messages.info(request, f"{found.title} is already being read.")
    return redirect("workspace", workspace.id)


@require_POST
def language(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    found = _document(request.user, workspace, document_id)
    try:
        intake.correct_language(found, request.user, request.POST.get("language", ""))
        messages.success(request, f"{found.title} is being read again in the new language.")
    except DocumentRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("document", workspace.id, found.id)


@require_POST
def describe_one(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    """Replace the metadata of a document. Fields that are left empty are cleared."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    found = _document(request.user, workspace, document_id)
    form = MetadataForm(request.user, workspace, request.POST, is_whole=True)
    _update_documents(request, workspace, [found.pk], form)
    return redirect("document", workspace.id, found.id)


@require_POST
def describe_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Set the same metadata on several documents. Fields that are left empty stay unchanged."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    chosen = list(_selected_documents(request, workspace).values_list("pk", flat=True))
    if chosen:
        _update_documents(request, workspace, chosen, MetadataForm(request.user, workspace, request.POST))
    else:
        messages.warning(request, "Nothing changed. Select the documents first.")
    return redirect("workspace", workspace.id)


def _update_documents(
    request: UserRequest, workspace: Workspace, documents: list[UUID], form: MetadataForm
) -> None:
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return
    try:
        count = metadata.update_metadata(workspace, request.user, documents, form.cleaned_data["about"])
    except InvalidValue as problem:
        messages.error(request, str(problem))
    else:
        what = "1 document" if count == 1 else f"{count} documents"
        messages.success(request, f"Saved for {what}. Filters use the new values from now on.")


@require_POST
def delete(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    found = _document(request.user, workspace, document_id)
    return _delete(request, workspace, workspace.documents.filter(pk=found.pk))


@require_POST
def delete_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    return _delete(request, workspace, _selected_documents(request, workspace))


@require_POST
def retry_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    chosen = list(_selected_documents(request, workspace))
    count = sum(restart(each, request.user) for each in chosen)
    if count:
        what = "1 document is" if count == 1 else f"{count} documents are"
        messages.success(request, f"{what} being read again.")
    elif chosen:
        messages.info(request, "The selected documents are already being read.")
    else:
        messages.warning(request, "Nothing to retry. Select the documents first.")
    return redirect("workspace", workspace.id)


@require_GET
def status_bar(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    may_manage = role_in(request.user, workspace) == Role.MANAGER
    context = status_bar_context(workspace, may_manage)
    # The page asks only while an index is being built.
    is_built = not context["building"] and reindex.has_just_switched(workspace)
    return render(request, "documents/_strip.html", context | {"is_built": is_built})


@require_POST
def replay_failed(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Replay the selected dead letters, or all of them."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    chosen: QuerySet[Document] = documents_for(request.user, workspace)
    if not request.POST.get("all"):
        chosen = chosen.filter(
            pk__in=[value for value in request.POST.getlist("document") if uuid_or_none(value)]
        )
    if count := replay(chosen, request.user):
        messages.success(request, f"{count:,} document{'s are' if count > 1 else ' is'} being read again.")
    else:
        messages.warning(request, "Nothing to retry. Select documents that failed.")
    return redirect("workspace", workspace.id)


def _selected_documents(request: UserRequest, workspace: Workspace) -> QuerySet[Document]:
    ids = [value for value in request.POST.getlist("document") if uuid_or_none(value)]
    return documents_for(request.user, workspace).filter(pk__in=ids)


def _delete(request: UserRequest, workspace: Workspace, chosen: QuerySet[Document]) -> HttpResponse:
    deletions = [delete_document(each, request.user) for each in chosen]
    deleted = len(deletions)
    if any(deletions):
        what = "The document is" if deleted == 1 else f"{deleted} documents are"
        messages.success(
            request,
            f"{what} no longer searchable. There is much to delete, which goes on in the background.",
        )
    elif deleted:
        what = "The document" if deleted == 1 else f"{deleted} documents"
        messages.success(
            request,
            f"{what}, its passages and its file were deleted."
            if deleted == 1
            else f"{what}, their passages and their files were deleted.",
        )
    else:
        messages.warning(request, "Nothing was deleted: select the documents first.")
    return redirect("workspace", workspace.id)


def _document(user: User, workspace: Workspace, document_id: UUID) -> Document:
    try:
        found = documents_for(user, workspace).select_related("workspace", "created_by", "parent", "source")
        return found.annotate(is_stuck=is_stuck()).get(pk=document_id)
    except Document.DoesNotExist as error:
        raise Http404("There is no such document here.") from error
