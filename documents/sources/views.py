"""The pages of websites and feeds: add one, follow its progress, change its options, stop it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Q, QuerySet, When
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from accounts.models import User
from documents.access import documents_for
from documents.errors import DocumentRefused
from documents.fields.forms import LanguageForm
from documents.models import MISSING, TROUBLE, Address, Document
from workspaces.access import workspace_for
from workspaces.languages import named
from workspaces.models import Role, Workspace
from workspaces.pages import workspace_page

from .forms import FeedForm, WebsiteForm, options_form
from .missing_pages import describe, hold_of, keep_missing, outlook, remove_missing
from .options import change_options as change_source
from .schedule import stop_visit
from .service import add_feed, add_website

PER_PAGE = 50
_S = Address.State
# The filters of a source's addresses, and what each one selects
FILTERS = {
    "": Q(),
    "ready": Q(document__status=Document.Status.READY),
    "failed": TROUBLE,
    "left-out": Q(state__in=(_S.SKIPPED, _S.GONE)),
    "missing": MISSING,
}


def website(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    return _add(request, workspace_id, WebsiteForm, add_website, "documents/add/website.html")


def feed(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    return _add(request, workspace_id, FeedForm, add_feed, "documents/add/feed.html")


def _add(
    request: UserRequest,
    workspace_id: UUID,
    form_class: type[LanguageForm],
    add: Callable[..., Document],
    template: str,
) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    form = form_class(request.user, workspace, request.POST or None)
    if form.is_valid():
        try:
            document = add(workspace, request.user, **form.cleaned_data)
        except DocumentRefused as refusal:
            form.add_error("url", str(refusal))
        else:
            messages.success(
                request,
                f"{document.title} was added. Its {'posts' if document.kind == Document.Kind.FEED else 'pages'} appear below as they are read.",
            )
            return redirect("document", workspace.id, document.id)
    return workspace_page(request, workspace, "add", template, form=form, most_pages=settings.CRAWL_MAX_PAGES)


def source_page(
    request: UserRequest, workspace: Workspace, document: Document, known: dict[str, Any]
) -> HttpResponse:
    """Show the state of a website or feed, and its addresses. known: its metadata, as context."""
    source = document.source
    chosen = request.GET.get("status", "")
    chosen = chosen if chosen in FILTERS else ""
    hold = hold_of(source)
    page = Paginator(_rows(source.addresses.filter(FILTERS[chosen])), PER_PAGE)
    return workspace_page(
        request, workspace, "documents", "documents/source.html",
        document=document, source=source, counts=source.counts(), chosen=chosen,
        page=page.get_page(request.GET.get("page")), language=named(document.language),
        troubles=source.troubles().count(), hold=hold, seen=hold and describe(hold),
        outlook=hold and outlook(hold), **known,
    )  # fmt: skip


def _rows(addresses: QuerySet[Address]) -> QuerySet[Address]:
    failed_first = Case(When(TROUBLE, then=0), default=1)
    return addresses.select_related("document").order_by(failed_first, "priority", "pk")


def change(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    """Change the options of a website or feed."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    document = _source(request.user, workspace, document_id)
    source = document.source
    form_class = options_form(source)
    kept = {name: getattr(source, name) for name in form_class.base_fields}
    form = form_class(request.POST or None, initial=_as_typed(kept))
    if form.is_valid():
        try:
            change_source(document, request.user, **form.cleaned_data)
        except DocumentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Saved. The next visit uses the new options.")
            return redirect("document", workspace.id, document.id)
    return workspace_page(
        request, workspace, "documents", "documents/source_options.html", document=document, form=form
    )


def _as_typed(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with each list of patterns as one pattern per line."""
    return {name: "\n".join(each) if isinstance(each, list) else each for name, each in options.items()}


@require_POST
def stop(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    document = _source(request.user, workspace, document_id)
    if stop_visit(document, request.user):
        messages.success(request, "Stopped. Pages that were read stay.")
    return redirect("document", workspace.id, document.id)


@require_POST
def decide(request: UserRequest, workspace_id: UUID, document_id: UUID) -> HttpResponse:
    """Remove or keep the pages that the last visit did not find."""
    workspace = workspace_for(request.user, workspace_id, Role.EDITOR)
    document = _source(request.user, workspace, document_id)
    is_removal = request.POST.get("decision") == "remove"
    try:
        count = (remove_missing if is_removal else keep_missing)(document, request.user)
    except DocumentRefused as refusal:
        messages.error(request, str(refusal))
    else:
        done = "were removed" if is_removal else "stay searchable"
        messages.success(request, f"{count:,} {'posts' if document.source.is_feed else 'pages'} {done}.")
    return redirect("document", workspace.id, document.id)


def _source(user: User, workspace: Workspace, document_id: UUID) -> Document:
    documents = documents_for(user, workspace).select_related("source")
    document = documents.filter(pk=document_id, source__isnull=False).first()
    if document is None:
        raise Http404("There is no such website or feed here.")
    return document
