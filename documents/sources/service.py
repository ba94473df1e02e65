"""Adds websites and feeds: each becomes a document that a worker visits."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User, record
from documents.adding.service import language_of, refuse_gone_level, refuse_hidden
from documents.errors import DocumentRefused, Forbidden
from documents.fields.metadata import NO_CHANGE, MetadataChange, apply_change, hold_fields
from documents.ingestion.restart import restart
from documents.models import Address, Document, Source
from documents.queue import enqueue
from documents.sources.crawl.url_normalization import canonical, display_url
from workspaces.metadata_schema import fields_of
from workspaces.models import Workspace

from .options import check_options

DEFAULT_PAGES, DEFAULT_DEPTH = 200, 5
_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)  # a number would be a port
_S = Document.Status


def add_website(
    workspace: Workspace,
    user: User | None,
    url: str,
    *,
    title: str = "",
    language: str | None = None,
    follows_links: bool = True,
    max_pages: int = DEFAULT_PAGES,
    max_depth: int = DEFAULT_DEPTH,
    is_below_start: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    schedule: str = Source.Schedule.NEVER,
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Add a website, to be crawled. Idempotent: the same start address returns the existing document.

    url: a page, or a sitemap. include, exclude: globs over path and query, as in /docs/*.
    Raises DocumentRefused.
    """
    options = {
        "follows_links": follows_links,
        "max_pages": max_pages,
        "max_depth": max_depth,
        "is_below_start": is_below_start,
        "include": include,
        "exclude": exclude,
        "schedule": schedule,
    }
    return _add(workspace, user, Document.Kind.SITE, url, title, language, options, about, ask_worker)


def add_feed(
    workspace: Workspace,
    user: User | None,
    url: str,
    *,
    title: str = "",
    language: str | None = None,
    prefers_own_text: bool = False,
    schedule: str = Source.Schedule.HOURLY,
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Add an RSS or Atom feed, to be polled. Idempotent: the same address returns the existing document.

    prefers_own_text: use the text in the feed, and fetch no page of a post that has some.
    Raises DocumentRefused.
    """
    options = {"prefers_own_text": prefers_own_text, "schedule": schedule, "follows_links": False}
    return _add(workspace, user, Document.Kind.FEED, url, title, language, options, about, ask_worker)


def _add(
    workspace: Workspace,
    user: User | None,
    kind: Document.Kind,
    url: str,
    title: str,
    language: str | None,
    options: dict[str, Any],
    about: MetadataChange,
    ask_worker: bool,
) -> Document:
    url, options = _address(url), check_options(options)
    same = workspace.documents.filter(kind=kind, url=url)
    if known := same.first():
        refuse_hidden(known, user)
        return _once_more(known, user, ask_worker)
    document = _document(workspace, kind, url, title)
    document.language, document.is_language_chosen = language_of(workspace, language), bool(language)
    document.created_by = user
    apply_change(document, about, fields_of(workspace) if about.metadata else {})
    source = Source(document=document, home=url, **options)
    # Set it before the first visit: the schedule applies even if that visit fails.
    source.next_visit_at = timezone.now() + source.period if source.period else None
    try:
        _record(document, source, user, ask_worker)
    except IntegrityError:  # two requests added it at the same moment
        if known := same.first():
            refuse_hidden(known, user)
            return known
        raise
    return document


def _address(url: str) -> str:
    try:
        return canonical(url if _SCHEME.match(url) else f"https://{url.strip()}")
    except Forbidden as error:
        raise DocumentRefused(str(error)) from error


def _document(workspace: Workspace, kind: Document.Kind, url: str, title: str) -> Document:
    return Document(
        workspace=workspace,
        kind=kind,
        url=url,
        title=" ".join(title.split())[:300] or display_url(url)[:300],
        media_type="text/html" if kind == Document.Kind.SITE else "application/xml",
        size_bytes=0,
        content_sha256=hashlib.sha256(f"{kind}\0{url}".encode()).hexdigest(),
    )


def _once_more(known: Document, user: User | None, ask_worker: bool) -> Document:
    if known.status == _S.FAILED:
        restart(known, user, ask_worker=ask_worker)
        known.refresh_from_db()
    return known


def _record(document: Document, source: Source, user: User | None, ask_worker: bool) -> None:
    role = Address.Role.FEED if document.kind == Document.Kind.FEED else Address.Role.PAGE
    with transaction.atomic():
        hold_fields(document)
        document.save()
        source.save()
        Address.objects.create(source=source, url=document.url, role=role)
        Workspace.objects.filter(pk=document.workspace_id).update(document_count=F("document_count") + 1)
        refuse_gone_level(document)
        record(user, "document.add", document.title, id=str(document.pk), workspace=document.workspace.name)
        if ask_worker:
            transaction.on_commit(partial(enqueue, document.pk))
