"""What is left of the pool's connections after a failover."""

import time

import httpx
import psycopg
import pytest
from django.db import connection

_END_ALL = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)
IDLE = 8


@pytest.fixture
def failover(transactional_db):
    """A function that ends all sessions, of which the pool keeps some ready."""
    connection.close()
    ready = [connection.pool.getconn() for _ in range(IDLE)]
    for each in ready:
        connection.pool.putconn(each)
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as killer:
        yield lambda: killer.execute(_END_ALL)
    connection.close()
    connection.close_pool()


def test_one_page_at_most_fails_after_a_failover(failover, live_server, settings):
    someone = {settings.SESSION_COOKIE_NAME: "a" * 32}  # which is looked up in the database
    failover()
    statuses = []
    for _ in range(IDLE):
        statuses.append(httpx.get(live_server.url, cookies=someone).status_code)
        time.sleep(0.1)
    assert statuses[1:] == [302] * (IDLE - 1), statuses
