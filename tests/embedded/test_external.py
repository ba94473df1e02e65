from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from ragsite.connections import embedded_password, embedded_redis_url
from ragsite.embedded import external, postgres, valkey
from ragsite.embedded.service import running
from ragsite.errors import StartError

pytestmark = pytest.mark.integration


def url_of(data_dir: Path, user: str = "ragsite", password: str = "", database: str = "postgres") -> str:
    host = quote(str(data_dir / "run"), safe="")
    password = password or embedded_password(data_dir)
    return f"postgresql://{user}:{quote(password)}@/{database}?host={host}"


@pytest.fixture
def bare_server(tmp_path: Path) -> Iterator[Path]:
    """A PostgreSQL that finds no extensions on its disk."""
    service = postgres.service(tmp_path)
    argv = (*service.argv, "-c", "extension_control_path=/nowhere")
    with running(replace(service, argv=argv, after_start=None), tmp_path / "postgres.log"):
        yield tmp_path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with running(replace(postgres.service(tmp_path), after_start=None), tmp_path / "postgres.log"):
        yield tmp_path


def test_a_database_without_pgvector_says_how_to_install_it(bare_server: Path) -> None:
    with pytest.raises(StartError, match=r"has no pgvector\..*apt install postgresql-18-pgvector"):
        external.check_database(url_of(bare_server))


def test_a_database_gets_the_extensions_it_can_have(server: Path) -> None:
    external.check_database(url_of(server))
    with psycopg.connect(url_of(server)) as connection:
        assert connection.execute("select 1 from pg_extension where extname = 'vector'").fetchone()


def test_a_user_who_may_not_make_extensions_learns_what_a_superuser_is_to_run(server: Path) -> None:
    with psycopg.connect(url_of(server), autocommit=True) as connection:
        connection.execute("create role plain login password 'plain-word'")
    with pytest.raises(StartError, match=r"Ask a superuser to run.*CREATE EXTENSION vector"):
        external.check_database(url_of(server, "plain", "plain-word"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:hidden@127.0.0.1:1/rag", ["127.0.0.1:1", "Connection refused", "firewall"]),
        ("postgresql://me:hidden%zz@127.0.0.1:1/rag", ["cannot be read"]),
    ],
    ids=["nobody listens", "not a URL"],
)
def test_a_database_out_of_reach_is_named_without_its_password(url: str, words: list[str]) -> None:
    with pytest.raises(StartError) as caught:
        external.check_database(url)
    assert all(word in str(caught.value) for word in ["DATABASE_URL", *words])
    assert "hidden" not in str(caught.value)


def test_a_wrong_password_is_told_and_not_shown(server: Path) -> None:
    with pytest.raises(StartError, match=r"password authentication failed") as caught:
        external.check_database(url_of(server, password="hidden"))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:hidden@127.0.0.1:1/0", "unix:///nowhere/valkey.sock"])
def test_a_redis_out_of_reach_is_named_without_its_password(url: str) -> None:
    with pytest.raises(
        StartError, match=r"REDIS_URL: cannot use (127.0.0.1:1|/nowhere/valkey.sock)"
    ) as caught:
        external.check_redis(url)
    assert "hidden" not in str(caught.value)


def test_a_redis_that_answers_is_fine(tmp_path: Path) -> None:
    with running(valkey.service(tmp_path), tmp_path / "valkey.log"):
        external.check_redis(embedded_redis_url(tmp_path))
