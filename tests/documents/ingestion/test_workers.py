"""Real Celery workers, killed for real: what they held is taken over, in time, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from documents.models import Document, Work
from documents.tasks import recover
from tests.documents.ingestion.test_ingest import put, rows
from tests.documents.ingestion.test_ingest_killed import (
    assert_embedded_once_but_for_a_batch,
    embedded_batches,
    undisturbed,
)
from tests.fakes.openai_server import OpenAIServer
from workspaces.models import Workspace

TAKEN_OVER_S = 30


class Worker:
    """One worker with one process to do the work; with `beat` it also looks after what others left."""

    def __init__(self, root: Path, media: str, *arguments: str) -> None:
        database = str(connection.settings_dict["NAME"])
        command = (
            sys.executable,
            "-m",
            "tests.documents.ingestion.worker",
            database,
            media,
            "-c",
            "1",
            *arguments,
        )
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        self.process = subprocess.Popen(command, cwd=root, env=environment, start_new_session=True)

    def kill(self) -> None:
        """End it and its children at once, as the kernel does when a machine goes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


Start = Callable[..., Worker]


@pytest.fixture
def start(root: Path, settings: Any, workspace: Workspace) -> Iterator[Start]:
    current_app.control.purge()
    workers: list[Worker] = []

    def one(*arguments: str) -> Worker:
        workers.append(Worker(root, str(settings.MEDIA_ROOT), *arguments))
        return workers[-1]

    yield one
    for worker in workers:
        worker.kill()
    current_app.control.purge()


def wait_until(happened: Callable[[], bool], limit_s: float) -> float:
    """Return after how many seconds it happened."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < limit_s, f"not within {limit_s} s"
        time.sleep(0.02)
    return time.monotonic() - began


def is_(document: Document, holds: Callable[[Document], bool]) -> Callable[[], bool]:
    def look() -> bool:
        document.refresh_from_db()
        return holds(document)

    return look


def test_a_reminder_that_went_with_its_worker_is_sent_again(workspace: Workspace) -> None:
    current_app.control.purge()
    document = put(workspace)
    long_ago = timezone.now() - 2 * Work.LOST_AFTER
    Document.objects.update(queued_at=long_ago)
    recover()
    document.refresh_from_db()
    assert document.queued_at == long_ago, "its message is in the queue: it only waits"
    assert current_app.control.purge() == 1
    recover()
    document.refresh_from_db()
    assert document.queued_at is not None
    assert document.queued_at > long_ago
    assert current_app.control.purge() == 1


def test_a_killed_workers_document_is_taken_over_in_time(
    workspace: Workspace, embeddings: OpenAIServer, start: Start
) -> None:
    expected = undisturbed(workspace)
    embeddings.requests.clear()
    embeddings.behaviour.first_token_s = 0.3
    document = put(workspace)
    first = start()
    wait_until(is_(document, embedded_batches(1)), 60)
    first.kill()
    start("--beat")
    took_s = wait_until(is_(document, lambda it: it.attempt == 2), TAKEN_OVER_S + 10)
    assert took_s < TAKEN_OVER_S
    wait_until(is_(document, lambda it: it.status == "ready"), 30)
    assert rows(workspace) == expected
    assert_embedded_once_but_for_a_batch(embeddings, kills=1)
