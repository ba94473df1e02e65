"""What is stuck says so, also where no worker is left to say it."""

import logging
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from documents.ingestion.claims import claim_work
from documents.ingestion.health import find_alarms, report_alarms
from documents.models import Document, ReindexItem
from documents.reindex import service as reindex
from documents.status_filters import StateOfDocument
from documents.tasks import recover
from tests.documents.ingestion.test_ingest import put
from workspaces.models import Workspace

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def nothing_said_yet(services: None) -> None:
    cache.clear()


def kinds() -> list[str]:
    return [alarm.kind for alarm in find_alarms()]


def test_all_is_quiet_while_nothing_is_overdue(workspace: Workspace) -> None:
    put(workspace)
    assert find_alarms() == []


def test_a_document_that_waits_while_no_worker_runs_raises_the_alarm(workspace: Workspace) -> None:
    put(workspace)
    Document.objects.update(next_attempt_at=timezone.now() - 2 * MINUTE)
    [alarm] = find_alarms()
    assert (alarm.kind, alarm.count) == ("unattended", 1)
    assert alarm.sentence.startswith(
        "1 document waiting for a worker. No worker is active. Check that a worker"
    )
    assert find_alarms(workspace) == [alarm]
    assert StateOfDocument.counts()["stuck"] == 1


def test_a_long_queue_before_busy_workers_is_no_alarm(workspace: Workspace) -> None:
    put(workspace)
    Document.objects.update(next_attempt_at=timezone.now() - 60 * MINUTE)
    assert claim_work(put(workspace, title="b.md").pk)
    assert find_alarms() == []


def test_a_long_queue_is_no_alarm_in_the_instant_between_two_documents(workspace: Workspace) -> None:
    put(workspace)
    done = put(workspace, title="b.md")
    Document.objects.update(next_attempt_at=timezone.now() - 60 * MINUTE)
    Document.objects.filter(pk=done.pk).update(status="ready", lease_until=None)
    step = done.ledger.create(attempt=1, stage="publish", outcome="done", finished_at=timezone.now())
    assert find_alarms() == []
    done.ledger.filter(pk=step.pk).update(
        started_at=timezone.now() - 3 * MINUTE, finished_at=timezone.now() - 2 * MINUTE
    )
    assert kinds() == ["unattended"]


def test_a_document_whose_worker_is_gone_for_good_raises_the_alarm(workspace: Workspace) -> None:
    document = put(workspace)
    assert claim_work(document.pk)
    Document.objects.update(lease_until=timezone.now() - 2 * MINUTE)
    assert kinds() == ["abandoned"]


def test_work_that_does_not_move_raises_the_alarm(workspace: Workspace) -> None:
    document = put(workspace)
    assert claim_work(document.pk)
    Document.objects.update(moved_at=timezone.now() - 20 * MINUTE)
    assert kinds() == ["still"]


def test_an_index_that_is_not_being_built_raises_the_alarm(workspace: Workspace) -> None:
    document = put(workspace)
    Document.objects.update(chunk_count=1, status="ready", ready_at=timezone.now(), next_attempt_at=None)
    reindex.start(workspace, None, metric="l2")
    ReindexItem.objects.update(next_attempt_at=timezone.now() - 2 * MINUTE)
    assert [(alarm.kind, alarm.count) for alarm in find_alarms(document.workspace)] == [("unattended", 1)]


def test_it_is_logged_once_and_again_when_it_comes_back(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "documents.ingestion.health")
    put(workspace)
    Document.objects.update(next_attempt_at=timezone.now() - 2 * MINUTE)
    for _ in range(3):
        report_alarms()
    assert len(caplog.records) == 1
    Document.objects.update(next_attempt_at=timezone.now())
    report_alarms()
    Document.objects.update(next_attempt_at=timezone.now() - 2 * MINUTE)
    recover()
    assert len(caplog.records) == 2
    assert "Ingestion is stuck: 1 document waiting" in caplog.text
