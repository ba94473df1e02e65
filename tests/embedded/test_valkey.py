from pathlib import Path

import pytest
import redis

from ragsite.celery import app
from ragsite.connections import celery_url, embedded_redis_url
from ragsite.embedded import valkey
from ragsite.embedded.service import running

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["plain", "with spaces and ß", "long" * 30], ids=lambda name: name[:20])
def test_keeps_what_was_written_through_kill_9(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    with running(valkey.service(data_dir), data_dir / "valkey.log") as process:
        with redis.Redis.from_url(embedded_redis_url(data_dir)) as client:
            client.set("kept", "yes")
        process.kill()
        process.wait()
    with (
        running(valkey.service(data_dir), data_dir / "valkey.log"),
        redis.Redis.from_url(embedded_redis_url(data_dir)) as client,
    ):
        assert client.get("kept") == b"yes"


def test_celery_reaches_it_through_a_path_with_spaces(tmp_path: Path) -> None:
    data_dir = tmp_path / "two words"
    with running(valkey.service(data_dir), data_dir / "valkey.log"):
        with app.connection_for_write(url=celery_url(embedded_redis_url(data_dir))) as connection:
            connection.SimpleQueue("letters").put("hello")
        with redis.Redis.from_url(embedded_redis_url(data_dir)) as client:
            assert client.llen("letters") == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:secret@cache.example:6380/2", "redis://:secret@cache.example:6380/2"),
        ("rediss://cache.example/0", "rediss://cache.example/0"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix://:secret@/run/valkey.sock?db=3", "redis+socket://:secret@/run/valkey.sock?virtual_host=3"),
    ],
)
def test_celery_spells_the_url_its_own_way(url: str, expected: str) -> None:
    assert celery_url(url) == expected
