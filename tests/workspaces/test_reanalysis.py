"""Existing chunks after a change of the analyzer."""

import pytest
from django.db import connection

from tests import factories
from tests.workspaces.test_pgvector import put_texts, texts
from workspaces.engines import engine_for
from workspaces.engines.pgvector import maintenance, reanalysis
from workspaces.engines.pgvector.tables import Tables
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the terms of an earlier version, which cut words at their vowel signs."""
    workspace = factories.workspace(dimensions=3, languages=["hi"])
    put_texts(workspace, *[f"नियम {number}" for number in range(reanalysis.BATCH)], "हर कर्मचारी को छुट्टी")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE chunks.w_{workspace.id.hex} SET words = '', weights = '{{}}/1000000000'")
        cursor.execute(f"DELETE FROM chunks.t_{workspace.id.hex} WHERE term NOT IN ('', ' ')")
    return workspace


def test_chunks_of_an_earlier_version_are_analyzed_again(old: Workspace) -> None:
    before = old.corpus_version
    assert not reanalysis.is_current(Tables(old))
    assert texts(old, "कर्मचारी") == []
    maintenance.renew_terms(lambda ids: dict.fromkeys(ids, "Hausordnung.pdf"))
    assert reanalysis.is_current(Tables(old))
    assert texts(old, "कर्मचारी") == ["हर कर्मचारी को छुट्टी"]
    assert texts(old, "Hausordnung")
    assert Workspace.objects.get(pk=old.pk).corpus_version > before
    assert engine_for(old).count() == reanalysis.BATCH + 1


def test_a_new_index_is_current() -> None:
    workspace = factories.workspace(dimensions=3, languages=["en"])
    put_texts(workspace, "pump")
    assert reanalysis.is_current(Tables(workspace))
