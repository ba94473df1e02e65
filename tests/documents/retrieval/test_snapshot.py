"""Snapshots of what a search depends on can be compared, and their changes are described in words."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from documents.retrieval import Scope
from documents.retrieval.snapshot import describe_changes, take_snapshot
from tests import factories
from workspaces.engines import Condition, Where

pytestmark = pytest.mark.django_db


@pytest.fixture
def scope() -> Scope:
    return Scope(factories.workspace())


def test_nothing_changed_is_nothing_said(scope):
    assert describe_changes(take_snapshot(scope), scope, timezone.now()) == []


def test_filters_are_told_in_words(scope):
    where = Where(conditions=(Condition("department", "is", ("legal", "hr")),), access_level=2)
    told = take_snapshot(Scope(scope.workspace, where))
    assert told["filters"] == ["department is legal or hr", "access level is at most 2"]
    [changed] = describe_changes(told, scope, timezone.now())
    assert changed == "A filter or an access level changed which documents a search can find."


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"is_hybrid": False}, "The setting is hybrid changed: on then, off now."),
        ({"most_per_document": 1}, "The setting most per document changed: none then, 1 now."),
        ({"metric": "l2"}, "Its similarity metric changed: cosine then, l2 now."),
        ({"chunk_count": 1200}, "It held 0 passages then, and 1,200 now."),
        (
            {"corpus_version": 9},
            "Its documents changed: some were added, read again, removed, or got other field values.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_change_is_one_sentence(scope, fields: dict[str, Any], sentence: str):
    then = take_snapshot(scope)
    for name, value in fields.items():
        setattr(scope.workspace, name, value)
    assert describe_changes(then, scope, timezone.now()) == [sentence]


def test_documents_that_were_read_since_are_counted(scope):
    now = timezone.now()
    for ready_at in (now - timedelta(hours=1), now + timedelta(hours=1), now + timedelta(hours=2)):
        factories.document(scope.workspace, ready_at=ready_at)
    assert describe_changes(take_snapshot(scope), scope, now) == ["2 of its documents were read since then."]
