"""Workspaces at a glance, their documents, reading one, and finding passages."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.http import UserRequest
from workspaces.access import workspace_for, workspaces_for
from workspaces.languages import LANGUAGES
from workspaces.models import Membership, Role, Workspace
from workspaces.pages import workspace_page

from . import intake
from .alarm import is_stuck
from .history import Run, runs_of
from .listing import Choice, Listing, listing, version
from .media_types import MARKDOWN
from .models import Document
from .reading import Stretch, read
from .retrieval import RetrievalFailed, Scope
from .retrieval.record import recorded_search, search_for
from .sources.views import source_page
from .why import why

_WORKING = (Document.Status.PENDING, Document.Status.PROCESSING)


def workspaces(request: UserRequest) -> HttpResponse:
    ids = workspaces_for(request.user).values("pk")
    listed = (
        Workspace.objects.filter(pk__in=ids)
        .annotate(
            working=Count("documents", filter=Q(documents__status__in=_WORKING)),
            failed=Count("documents", filter=Q(documents__status=Document.Status.FAILED)),
            total=Count("documents"),
        )
        .order_by(Lower("name"))
    )
    roles = dict(Membership.objects.filter(user=request.user).values_list("workspace_id", "role"))
    rows = [(each, _role_label(roles.get(each.pk))) for each in listed]
    may_create = request.user.has_perm("workspaces.add_workspace")
    return render(request, "workspaces/list.html", {"rows": rows, "may_create": may_create})


def _role_label(role: str | None) -> str:
    """Only operators see a workspace in which they have no role."""
    return Role(role).label if role else "Operator"


def documents(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Show the list; for htmx the part that a search changes; for a page that is open, what it does not have yet."""
    workspace = workspace_for(request.user, workspace_id)
    found = listing(workspace, Choice.parse(request.GET), request.GET.get("page"))
    if "seen" in request.GET:
        return _changes(request, workspace, found, set(request.GET["seen"].split(".")))
    template = "documents/_table.html" if request.htmx else "documents/list.html"
    return workspace_page(request, workspace, "documents", template, listing=found)


def _changes(request: UserRequest, workspace: Workspace, found: Listing, seen: set[str]) -> HttpResponse:
    """Return the counts and the rows that changed; all of the list when others stand there; nothing if nothing did."""
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
    # PostgreSQL refuses NUL in text
    question = request.GET.get("q", "").replace("\x00", "").strip()[: settings.QUESTION_MAX_CHARACTERS]
    context: dict[str, Any] = {"question": question}
    if question:
        try:
            kept, found = recorded_search(
                request.user, Scope(workspace), question, limit=10, token_budget=6000
            )
            most = max((each.lexical_score or 0 for each in found.passages), default=0)
            context |= {"kept": kept, "result": found, "most_by_words": most}
        except RetrievalFailed as failure:
            context["failure"] = str(failure)
    template = "documents/_results.html" if request.htmx else "documents/search.html"
    return workspace_page(request, workspace, "search", template, **context)


@never_cache
@require_safe
def search_why(request: UserRequest, search_id: UUID) -> HttpResponse:
    """How a search that somebody made by itself was done."""
    found = search_for(request.user, search_id)
    told = why(request.user, found.trace, found.created_at)
    context = {"search": found, "why": told, "kept_days": settings.SEARCHES_KEPT_DAYS}
    return render(request, "documents/why.html", context)


def document(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    found = _document(workspace, document_id)
    if hasattr(found, "source"):
        return source_page(request, workspace, found)
    runs = runs_of(found)
    if "seen" in request.GET:
        return _progress(request, workspace, found, runs, request.GET["seen"])
    stretch = Stretch.parse(request.GET)
    return workspace_page(
        request, workspace, "documents", "documents/document.html",
        document=found, is_markdown=found.media_type == MARKDOWN.name, reading=read(found, stretch, request.GET.get("page")),
        runs=runs, language=LANGUAGES[found.language],
        languages=[(code, LANGUAGES[code]) for code in workspace.languages],
    )  # fmt: skip


def _progress(
    request: UserRequest, workspace: Workspace, document: Document, runs: list[Run], seen: str
) -> HttpResponse:
    if version(document) == seen:
        return HttpResponse(status=204)
    template = "documents/_progress_change.html"
    return workspace_page(request, workspace, "documents", template, document=document, runs=runs)


def download(request: UserRequest, workspace_id: UUID, document_id: UUID) -> FileResponse:
    """Send the original as an attachment: never shown by the browser as a page of ours."""
    found = _document(workspace_for(request.user, workspace_id), document_id)
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
    found = _document(workspace, document_id)
    intake.retry(found, request.user)
    messages.success(request, f"{found.title} is being read again.")
    return redirect("workspace", workspace.id)


@require_POST
def language(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    found = _document(workspace, document_id)
    try:
        intake.correct_language(found, request.user, request.POST.get("language", ""))
        messages.success(request, f"{found.title} is being read again in its language.")
    except intake.Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("document", workspace.id, found.id)


@require_POST
def delete(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    return _delete(request, workspace, workspace.documents.filter(pk=_document(workspace, document_id).pk))


@require_POST
def delete_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    return _delete(request, workspace, _selected(request, workspace))


@require_POST
def retry_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    chosen = list(_selected(request, workspace))
    for each in chosen:
        intake.retry(each, request.user)
    if chosen:
        what = "1 document is" if len(chosen) == 1 else f"{len(chosen)} documents are"
        messages.success(request, f"{what} being read again.")
    else:
        messages.warning(request, "Nothing was done: select the documents first.")
    return redirect("workspace", workspace.id)


def _selected(request: UserRequest, workspace: Workspace) -> QuerySet[Document]:
    ids = [value for value in request.POST.getlist("document") if _is_uuid(value)]
    return workspace.documents.filter(pk__in=ids)


def _delete(request: UserRequest, workspace: Workspace, chosen: QuerySet[Document]) -> HttpResponse:
    deleted = 0
    for each in chosen:
        intake.delete(each, request.user)
        deleted += 1
    if deleted:
        what = "The document" if deleted == 1 else f"{deleted} documents"
        messages.success(
            request,
            f"{what}, its passages and its file are deleted."
            if deleted == 1
            else f"{what}, their passages and their files are deleted.",
        )
    else:
        messages.warning(request, "Nothing was deleted: select the documents first.")
    return redirect("workspace", workspace.id)


def _document(workspace: Workspace, document_id: UUID) -> Document:
    try:
        found = workspace.documents.select_related("created_by", "parent", "source")
        return found.annotate(is_stuck=is_stuck()).get(pk=document_id)
    except Document.DoesNotExist as error:
        raise Http404("There is no such document here.") from error


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
