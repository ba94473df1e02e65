"""Workspaces at a glance, their documents, adding more, reading one, and finding passages."""

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Q, QuerySet, When
from django.db.models.functions import Lower
from django.http import FileResponse, Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from workspaces.access import workspace_for, workspaces_for
from workspaces.languages import LANGUAGES
from workspaces.models import Membership, Role, Workspace
from workspaces.pages import workspace_page

from . import intake
from .forms import AddFilesForm
from .media_types import ACCEPTED, MARKDOWN, TYPES
from .models import Document
from .reading import Stretch, read
from .retrieval import RetrievalFailed, Scope
from .retrieval import search as find

PER_PAGE = 50
_EXTENSIONS = ",".join(f".{extension}" for kind in TYPES for extension in kind.extensions)
_WORKING = (Document.Status.PENDING, Document.Status.PROCESSING)
# What people filter by, and what it means
FILTERS = {
    "": Q(),
    "ready": Q(status=Document.Status.READY),
    "working": Q(status__in=_WORKING),
    "failed": Q(status=Document.Status.FAILED),
}


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
    """Show the table, or, for htmx, the part of it that changes while something is working."""
    workspace = workspace_for(request.user, workspace_id)
    chosen = request.GET.get("status", "")
    chosen = chosen if chosen in FILTERS else ""
    counts = workspace.documents.aggregate(
        **{name or "all": Count("pk", filter=q) for name, q in FILTERS.items()}
    )
    template = "documents/_table.html" if request.htmx else "documents/list.html"
    return workspace_page(
        request,
        workspace,
        "documents",
        template,
        chosen=chosen,
        counts=counts,
        page=_page(request, workspace, chosen),
    )


def _page(request: UserRequest, workspace: Workspace, chosen: str) -> Page[Document]:
    failed_first = Case(When(status=Document.Status.FAILED, then=0), default=1)
    rows = workspace.documents.filter(FILTERS[chosen]).select_related("created_by")
    return Paginator(rows.order_by(failed_first, "-created_at", "pk"), PER_PAGE).get_page(
        request.GET.get("page")
    )


def add(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = AddFilesForm(workspace, request.POST or None, request.FILES or None)
    wants_json = request.headers.get("accept") == "application/json"
    if request.method == "POST" and form.is_valid():
        outcomes = [
            _add_one(request, workspace, file, form.cleaned_data["language"])
            for file in form.cleaned_data["file"]
        ]
        if wants_json:
            return JsonResponse({"files": outcomes})
        return _report(request, workspace, outcomes)
    if wants_json:
        sentences = [str(error) for errors in form.errors.values() for error in errors]
        return JsonResponse({"error": " ".join(sentences)}, status=400)
    return workspace_page(
        request, workspace, "add", "documents/add.html",
        form=form, max_bytes=settings.UPLOAD_MAX_BYTES, max_size=f"{settings.UPLOAD_MAX_BYTES // 1024**2:,} MB",
        accepted=ACCEPTED, extensions=_EXTENSIONS,
    )  # fmt: skip


def _add_one(request: UserRequest, workspace: Workspace, file: Any, language: str) -> dict[str, str]:
    try:
        document = intake.add_file(workspace, request.user, file, file.name, language)
    except intake.Refused as refusal:
        return {"name": file.name, "error": str(refusal)}
    is_ready = document.status == Document.Status.READY
    return {
        "name": file.name,
        "url": reverse("document", args=[workspace.id, document.id]),
        "note": "This very file is here already." if is_ready else "Added. It is being read now.",
    }


def _report(request: UserRequest, workspace: Workspace, outcomes: list[dict[str, str]]) -> HttpResponse:
    refused = [each for each in outcomes if "error" in each]
    if taken := len(outcomes) - len(refused):
        messages.success(
            request, f"{taken} file{'s' if taken > 1 else ''} added. They become searchable below."
        )
    for each in refused:
        messages.error(request, f"{each['name']}: {each['error']}")
    return redirect("workspace" if taken else "workspace-add", workspace.id)


def search(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    # PostgreSQL refuses NUL in text
    question = request.GET.get("q", "").replace("\x00", "").strip()[: settings.QUESTION_MAX_CHARACTERS]
    context: dict[str, Any] = {"question": question}
    if question:
        try:
            context["result"] = async_to_sync(find)(Scope(workspace), question, limit=10, token_budget=6000)
        except RetrievalFailed as failure:
            context["failure"] = str(failure)
    template = "documents/_results.html" if request.htmx else "documents/search.html"
    return workspace_page(request, workspace, "search", template, **context)


def document(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id)
    found = _document(workspace, document_id)
    stretch = Stretch.parse(request.GET)
    return workspace_page(
        request, workspace, "documents", "documents/document.html",
        document=found, is_markdown=found.media_type == MARKDOWN.name, reading=read(found, stretch, request.GET.get("page")),
        ledger=found.ledger.all(), language=LANGUAGES[found.language],
    )  # fmt: skip


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
def delete(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    return _delete(request, workspace, workspace.documents.filter(pk=_document(workspace, document_id).pk))


@require_POST
def delete_selected(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    ids = [value for value in request.POST.getlist("document") if _is_uuid(value)]
    return _delete(request, workspace, workspace.documents.filter(pk__in=ids))


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
        return workspace.documents.select_related("created_by").get(pk=document_id)
    except Document.DoesNotExist as error:
        raise Http404("There is no such document here.") from error


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
