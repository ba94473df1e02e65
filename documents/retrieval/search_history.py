"""Stores the searches that users run without asking for an answer, so that their traces can be read later.

The search of an answer is stored with the answer.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import Http404
from django.utils import timezone

from accounts.models import User
from core.db.cascade import delete_rows
from core.waiting import wait_for
from documents.access import where_for
from documents.errors import RetrievalFailed
from documents.fields.filters import Filters
from documents.models import Search
from workspaces.access import workspaces_for
from workspaces.models import Role, Workspace

from .search import search
from .snapshot import take_snapshot
from .types import Retrieval, Scope


def search_and_record(
    user: User, workspace: Workspace, question: str, filters: Filters, **how: Any
) -> tuple[Search, Retrieval]:
    """Search the documents that this user may see. Return the stored search, and what it found.

    how: other arguments of `search`. Raises InvalidValue for a filter that fits no field, and RetrievalFailed
    after storing the failed search.
    """
    scope = Scope(workspace, where_for(user, workspace, filters))
    kept = Search(workspace=workspace, user=user, question=question, trace={"filters": filters or {}})
    try:
        found = wait_for(search, user.pk)(scope, question, **how)
    except RetrievalFailed as failure:
        kept.outcome, kept.error = Search.Outcome.FAILED, str(failure)
        kept.save(force_insert=True)
        raise
    told = {"circumstances": take_snapshot(scope, how.get("config"))}
    kept.outcome, kept.trace = found.outcome, found.trace.as_json() | kept.trace | told
    kept.save(force_insert=True)
    return kept, found


def search_for(user: User, id: UUID) -> Search:
    """Return a stored search. Raises Http404 unless this user ran it, or manages its workspace."""
    is_theirs = Q(user=user) | Q(workspace__in=workspaces_for(user, Role.MANAGER))
    readable = Search.objects.filter(is_theirs, workspace__in=workspaces_for(user))
    found = readable.select_related("workspace", "user").filter(pk=id).first()
    if found is None:
        raise Http404("This search does not exist, or it is no longer stored.")
    return found


def forget_in_parts() -> Iterator[int]:
    """Delete the searches older than SEARCHES_KEPT_DAYS. Yield after each transaction how many it deleted."""
    until = timezone.now() - timedelta(days=settings.SEARCHES_KEPT_DAYS)
    yield from delete_rows(Search.objects.filter(created_at__lt=until))
