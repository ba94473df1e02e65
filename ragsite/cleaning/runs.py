"""Cleanings: what grows with use and has an end is deleted on a schedule, in small transactions.

docs/guide/what_grows.md lists all that grows, with its end. The schedule is in settings.CLEANINGS.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts import cleaning as accounts
from chat.asking.temporary import end_expired
from chat.log.compaction import compact_in_parts
from chat.sharing.links import forget_ended_links
from chat.transfer.importer import clear_imports
from core.files import discard_held
from documents.adding.uploads import clear_expired_uploads
from documents.ingestion import quarantine
from documents.ingestion.ledger_trimming import trim_ledgers
from documents.retrieval.search_history import forget_in_parts
from documents.sources.cleaning import forget_gone_addresses
from ragsite.models import CleaningRun
from workspaces.engines.pgvector.maintenance import forget_unused_terms

log = logging.getLogger(__name__)

TURN_S = 60.0  # then the next run goes on, and other work gets the worker


@dataclass(frozen=True, slots=True)
class Cleaning:
    title: str  # what it removes, for people
    parts: Callable[[], Iterator[int]]  # yields after each transaction how many rows, or files, it removed


CLEANINGS = {
    "logins": Cleaning("Login sessions that have ended", accounts.clear_logins),
    "answer-logs": Cleaning("Single events of logs of finished answers, joined", compact_in_parts),
    "searches": Cleaning("Searches without an answer", forget_in_parts),
    "uploads": Cleaning("Announced uploads", clear_expired_uploads),
    "quarantine": Cleaning("Files that were put aside, after their time", quarantine.expire),
    "held-files": Cleaning("Files that were held for a backup", discard_held),
    "ledgers": Cleaning("Old stages of documents in the ledger", trim_ledgers),
    "terms": Cleaning("Words that no document has any more", forget_unused_terms),
    "addresses": Cleaning("Addresses of web pages that are gone", forget_gone_addresses),
    "audit-log": Cleaning("Audit events past their retention period", accounts.clear_audit_log),
    "deletions": Cleaning("Finished deletions", accounts.clear_deletions),
    "admin-log": Cleaning("Recent actions in the admin", accounts.clear_admin_log),
    "shared-links": Cleaning("Shared links that ended long ago", forget_ended_links),
    "temporary-chats": Cleaning("Temporary chats that have ended", end_expired),
    "imports": Cleaning("Imports of conversations that ended long ago", clear_imports),
}


def clean(name: str) -> bool:
    """Run a cleaning for a while, and note how it went. Return whether it is complete."""
    started, removed, error = time.monotonic(), 0, ""
    is_complete = True
    try:
        for count in CLEANINGS[name].parts():
            removed += count
            if time.monotonic() - started > TURN_S:
                is_complete = False
                break
    except Exception as failure:  # noted for operators, and raised for the log
        error = str(failure) or type(failure).__name__
        raise
    finally:
        _note(name, removed, round(1000 * (time.monotonic() - started)), is_complete, error)
    return is_complete


@transaction.atomic
def _note(name: str, removed: int, took_ms: int, is_complete: bool, error: str) -> None:
    run, _ = CleaningRun.objects.select_for_update().get_or_create(
        name=name, defaults={"ran_at": timezone.now()}
    )
    run.ran_at, run.took_ms, run.removed = timezone.now(), took_ms, removed
    run.removed_in_all += removed
    run.is_complete, run.error = is_complete, error
    run.save()
