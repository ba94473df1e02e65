"""No request holds a database connection while it waits: one module turns coroutines into calls."""

import re
from pathlib import Path

import pytest
from django.db import connection, transaction

from core.waiting import Gate, wait_for

_ENTRANCE = re.compile(r"\basync_to_sync\(|@async_to_sync|\basyncio\.run\(|run_until_complete")
_APPS = ("accounts", "chat", "core", "documents", "models_registry", "ragsite", "workspaces")


def test_synchronous_code_awaits_only_through_wait_for(root: Path):
    found = [
        str(path.relative_to(root))
        for app in _APPS
        for path in (root / app).rglob("*.py")
        if _ENTRANCE.search(path.read_text())
    ]
    assert found == ["core/waiting.py"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_may_not_wait():
    async def answer() -> int:
        return 42

    assert wait_for(answer, None)() == 42
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        wait_for(answer, None)()


@pytest.mark.django_db(transaction=True)
def test_the_connection_is_free_meanwhile():
    async def count() -> int:
        return int(pool.get_stats()["pool_available"])

    connection.ensure_connection()
    pool = connection.pool
    before = pool.get_stats()["pool_available"]
    assert wait_for(count, None)() == before + 1


def test_a_gate_counts_each_key_on_its_own():
    gate = Gate(at_once=3, each=2, wait_s=0.01)
    with gate.enter("a"), gate.enter("a"):
        with pytest.raises(Exception, match="Too many people"), gate.enter("a"):
            pass
        with gate.enter("b"), pytest.raises(Exception, match="Too many people"), gate.enter("c"):
            pass
    with gate.enter("a"):
        pass
