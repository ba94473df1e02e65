"""Workers are killed with SIGKILL, for real, at every stage; what they leave must not show."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from documents.ingestion.ingest import BATCH, ingest
from documents.models import Document
from tests.documents.conftest import embedded
from tests.documents.ingestion.test_ingest import put, rows
from tests.fakes.openai_server import OpenAIServer
from workspaces.models import Workspace

_WORKER = """
import sys, uuid, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.MEDIA_ROOT = sys.argv[2]
django.setup()
from documents.ingestion.ingest import ingest
ingest(uuid.UUID(sys.argv[3]))
"""


@pytest.fixture
def start_worker(root: Path, settings: Any) -> Callable[[Document], subprocess.Popen[bytes]]:
    def start(document: Document) -> subprocess.Popen[bytes]:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        arguments = [str(connection.settings_dict["NAME"]), str(settings.MEDIA_ROOT), str(document.pk)]
        return subprocess.Popen([sys.executable, "-c", _WORKER, *arguments], cwd=root, env=environment)

    return start


def kill_when(
    worker: subprocess.Popen[bytes], document: Document, is_time: Callable[[Document], bool]
) -> None:
    deadline = time.monotonic() + 30
    while worker.poll() is None and time.monotonic() < deadline:
        document.refresh_from_db()
        if is_time(document):
            break
        time.sleep(0.005)
    assert worker.poll() is None, "the worker ended before its time to be killed came"
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def undisturbed(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Return the chunks that a run without any trouble leaves, and forget that run."""
    document = put(workspace, title="undisturbed.md")
    ingest(document.pk)
    expected = rows(workspace)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE chunks.w_{workspace.id.hex}")
    return expected


def take_over(document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    ingest(document.pk)
    document.refresh_from_db()


def at_stage(stage: str) -> Callable[[Document], bool]:
    return lambda document: document.stage == stage


def embedded_batches(count: int) -> Callable[[Document], bool]:
    return lambda document: document.progress_done >= count * BATCH


@pytest.mark.parametrize(
    "is_time",
    [at_stage("extract"), at_stage("embed"), embedded_batches(1), embedded_batches(2)],
    ids=["reading", "before the first batch", "after one batch", "after two batches"],
)
def test_a_killed_worker_leaves_no_trace(
    workspace: Workspace,
    embeddings: OpenAIServer,
    start_worker: Callable[[Document], subprocess.Popen[bytes]],
    is_time: Callable[[Document], bool],
) -> None:
    expected = undisturbed(workspace)
    embeddings.requests.clear()
    embeddings.behaviour.first_token_s = 0.15
    document = put(workspace)
    kill_when(start_worker(document), document, is_time)
    assert all(not row[0] for row in rows(workspace)), "a searcher must not see half a document"
    take_over(document)
    assert (document.status, document.attempt) == ("ready", 2)
    assert rows(workspace) == expected
    assert_embedded_once_but_for_a_batch(embeddings, kills=1)


def test_a_worker_killed_while_publishing_published_nothing(
    workspace: Workspace,
    embeddings: OpenAIServer,
    start_worker: Callable[[Document], subprocess.Popen[bytes]],
) -> None:
    expected = undisturbed(workspace)
    embeddings.requests.clear()
    document = put(workspace)
    held, release = threading.Event(), threading.Event()

    def hold_the_counters() -> None:
        """Publishing wants this row last: it waits with everything else done, but not committed."""
        with transaction.atomic():
            Workspace.objects.select_for_update().get(pk=workspace.pk)
            held.set()
            release.wait(30)
        connection.close()

    holder = threading.Thread(target=hold_the_counters)
    holder.start()
    held.wait()
    kill_when(start_worker(document), document, lambda _: is_somebody_waiting())
    release.set()
    holder.join()
    assert all(not row[0] for row in rows(workspace))
    take_over(document)
    assert rows(workspace) == expected
    texts = embedded(embeddings)
    assert len(texts) == len(set(texts))


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_workers_killed_at_random_again_and_again_still_get_there(
    workspace: Workspace,
    embeddings: OpenAIServer,
    start_worker: Callable[[Document], subprocess.Popen[bytes]],
) -> None:
    expected = undisturbed(workspace)
    embeddings.requests.clear()
    embeddings.behaviour.first_token_s = 0.1
    document = put(workspace)
    rng = random.Random(7)
    for _ in range(3):
        worker = start_worker(document)
        time.sleep(rng.uniform(1.0, 3.0))
        worker.kill()
        worker.wait()
        Document.objects.filter(pk=document.pk, status="processing").update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
    take_over(document)
    assert document.status == "ready"
    assert rows(workspace) == expected
    assert_embedded_once_but_for_a_batch(embeddings, kills=3)


def assert_embedded_once_but_for_a_batch(server: OpenAIServer, kills: int) -> None:
    counts = Counter(embedded(server))
    assert sum(count - 1 for count in counts.values()) <= kills * BATCH
