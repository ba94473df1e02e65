"""What a search depended on is kept in words that can be compared."""

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
    assert changed == "Which documents could be found changed, by a filter or an access level."


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"is_hybrid": False}, "The setting is hybrid changed: on then, off now."),
        ({"most_per_document": 1}, "The setting most per document changed: none then, 1 now."),
        ({"metric": "l2"}, "Its way of measuring nearness changed: cosine then, l2 now."),
        ({"chunk_count": 1200}, "It held 0 passages to find then, and 1,200 now."),
        (
            {"corpus_version": 9},
            "Its documents changed: something was added, read again, described anew or removed.",
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
    assert describe_changes(take_snapshot(scope), scope, now) == ["2 of its documents were read since."]
