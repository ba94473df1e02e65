"""A folder of very many files, or one very large file, does not hold others up."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from documents import queue, tasks
from documents.ingestion import fair_share
from documents.ingestion.fair_share import LARGE_BYTES, choose_document
from documents.models import Document
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_served(monkeypatch):
    monkeypatch.setattr(fair_share, "_served", {})


@pytest.fixture
def workspace():
    return factories.workspace()


def waiting(workspace, user, count, **fields):
    """Documents that wait, added one after the other; those of an earlier call come first."""
    before = Document.objects.count()
    base = timezone.now() - timedelta(hours=1)
    return [
        factories.document(
            workspace,
            status="pending",
            created_by=user,
            next_attempt_at=base + timedelta(seconds=before + number),
            **fields,
        )
        for number in range(count)
    ]


def worked_off(messages):
    """Handle the messages in their order, as one worker does. Return who was served."""
    served = []
    for each in messages:
        chosen = Document.objects.get(pk=choose_document(each.pk))
        assert chosen.status == "pending"
        Document.objects.filter(pk=chosen.pk).update(status="ready")
        served.append(chosen.created_by)
    return served


def test_two_users_of_one_workspace_take_turns_whoever_came_first(workspace):
    ann, ben = factories.user(), factories.user()
    messages = waiting(workspace, ann, 20) + waiting(workspace, ben, 3)
    served = worked_off(messages)
    assert max(n for n, user in enumerate(served) if user == ben) < 6
    assert served.count(ann) == 20, "every document has its turn"


def test_workspaces_take_turns_also_without_a_user(workspace):
    other = factories.workspace()
    messages = waiting(workspace, None, 10) + waiting(other, None, 1)
    first_two = [Document.objects.get(pk=choose_document(each.pk)) for each in messages[:2]]
    assert {each.workspace for each in first_two} == {workspace, other}


def test_a_large_file_takes_one_worker_and_the_others_go_on(workspace):
    ann, ben = factories.user(), factories.user()
    big = waiting(workspace, ann, 3, size_bytes=LARGE_BYTES + 1)
    [small] = waiting(workspace, ben, 1, size_bytes=LARGE_BYTES)
    lease = timezone.now() + timedelta(minutes=1)
    Document.objects.filter(pk=big[0].pk).update(status="processing", lease_until=lease)
    assert choose_document(big[1].pk) == small.pk
    Document.objects.filter(pk=big[0].pk).update(status="ready", lease_until=None)
    assert choose_document(small.pk) == big[1].pk


def test_a_document_whose_worker_died_is_taken_at_once(workspace):
    waiting(workspace, factories.user(), 3)
    abandoned = factories.document(
        workspace, status="processing", lease_until=timezone.now() - timedelta(minutes=1)
    )
    assert choose_document(abandoned.pk) == abandoned.pk


def test_the_choice_reads_an_entry_per_user_and_not_every_document(workspace):
    ann, ben = factories.user(), factories.user()
    first = factories.document(workspace, status="pending", created_by=ben)
    columns = {each.attname: getattr(first, each.attname) for each in Document._meta.concrete_fields}
    columns |= {"created_by_id": ann.pk, "title": "many"}
    many = (
        Document(**columns | {"id": uuid4(), "content_sha256": f"{number:064}"}) for number in range(20_000)
    )
    Document.objects.bulk_create(many, batch_size=5_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE documents_document")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {fair_share._FIRST_OF_EACH}", [LARGE_BYTES])
        [plan] = cursor.fetchone()[0]
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 200
    with CaptureQueriesContext(connection) as queries:
        choose_document(first.pk)
    assert len(queries) == 3


@pytest.mark.django_db(transaction=True)
def test_very_many_documents_do_not_fill_the_broker_and_are_sent_later(workspace, monkeypatch):
    monkeypatch.setattr(queue, "MAX_WAITING", 3)
    monkeypatch.setattr(queue, "_LENGTH_KEPT_S", 0)
    monkeypatch.setattr(queue, "_skip_until", 0.0)
    current_app.control.purge()
    documents = waiting(workspace, None, 6)
    for each in documents:
        queue.enqueue(each.pk)
    assert Document.objects.filter(queued_at=None).count() == 3
    tasks.recover()
    assert Document.objects.filter(queued_at=None).count() == 3
    current_app.control.purge()
    tasks.recover()
    assert not Document.objects.filter(queued_at=None).exists()
    current_app.control.purge()
