import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragsite.connections import database_settings
from ragsite.embedded import postgres, unprivileged
from ragsite.embedded.service import running
from ragsite.errors import StartError

pytestmark = pytest.mark.integration


def connect(data_dir: Path) -> "psycopg.Connection[tuple[Any, ...]]":
    found = database_settings("", data_dir)
    return psycopg.connect(
        dbname=found["NAME"],
        user=found["USER"],
        password=found["PASSWORD"],
        host=found["HOST"],
        port=found["PORT"],
        autocommit=True,
    )


@pytest.fixture(
    params=["plain", "with spaces and ß", "a comma, 100%", "long" * 30], ids=lambda name: name[:20]
)
def data_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    """A data directory with a running server."""
    with running(postgres.service(tmp_path), tmp_path / "postgres.log"):
        yield tmp_path


def test_runs_with_the_extensions_we_need_wherever_its_data_lies(data_dir: Path) -> None:
    with running(postgres.service(data_dir), data_dir / "postgres.log"), connect(data_dir) as connection:
        names = {row[0] for row in connection.execute("select extname from pg_extension")}
    assert {"vector", "pg_trgm", "unaccent"} <= names


def test_sorts_and_folds_case_the_same_on_every_machine(cluster: Path) -> None:
    with connect(cluster) as connection:
        row = connection.execute(
            "select datlocprovider, datlocale, upper('ä') from pg_database where datname = current_database()"
        ).fetchone()
    assert row == ("b", "C.UTF-8", "Ä")


def test_asks_for_the_password_and_keeps_it_private(cluster: Path) -> None:
    found = database_settings("", cluster)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dbname=found["NAME"], user=found["USER"], password="guess", host=found["HOST"])
    assert stat.S_IMODE((cluster / "postgres" / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((cluster / "postgres").stat().st_mode) == 0o700


def test_data_is_there_again_after_kill_9(tmp_path: Path) -> None:
    with running(postgres.service(tmp_path), tmp_path / "postgres.log") as process:
        with connect(tmp_path) as connection:
            connection.execute("create table kept as select 42 as number")
        os.killpg(process.pid, 9)
        process.wait()
    with running(postgres.service(tmp_path), tmp_path / "postgres.log"), connect(tmp_path) as connection:
        assert connection.execute("select number from kept").fetchone() == (42,)


def test_a_user_without_an_account_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = postgres.service(tmp_path).prepare
    assert prepare
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(StartError, match=r"user 4000000 has none .* set DATABASE_URL"):
        prepare()


def test_starts_although_the_old_process_id_belongs_to_somebody_else(tmp_path: Path) -> None:
    with running(postgres.service(tmp_path), tmp_path / "postgres.log"):
        pass
    lock = f"{os.getpid()}\n{tmp_path}/postgres/data\n1\n5432\n{tmp_path}/run\n\n"
    (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(lock)
    (tmp_path / "run" / ".s.PGSQL.5432.lock").write_text(lock)
    with running(postgres.service(tmp_path), tmp_path / "postgres.log"), connect(tmp_path) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_session_that_outlived_its_killed_server_is_ended_before_the_next_one(tmp_path: Path) -> None:
    with (
        running(postgres.service(tmp_path), tmp_path / "postgres.log") as process,
        connect(tmp_path) as connection,
    ):
        row = connection.execute("select pg_backend_pid()").fetchone()
        assert row
        os.kill(row[0], signal.SIGSTOP)  # too busy to notice
        process.kill()
        process.wait()
        with running(postgres.service(tmp_path), tmp_path / "postgres.log"):
            assert state_of(row[0]) in {"Z", ""}


def state_of(pid: int) -> str:
    """Return the state of a process: Z when it ended and nobody asked for its code yet, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_first_start_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running(postgres.service(tmp_path), tmp_path / "postgres.log"), connect(tmp_path) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_refuses_data_of_another_major_version(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "data"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with (
        pytest.raises(StartError, match="created by PostgreSQL 15"),
        running(postgres.service(tmp_path), tmp_path / "postgres.log"),
    ):
        pass


def test_the_server_is_not_root(cluster: Path) -> None:
    pid = int((cluster / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    inner_ids = Path(f"/proc/{pid}/uid_map").read_text().split()
    assert os.stat(f"/proc/{pid}").st_uid != 0 or inner_ids[0] != "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes into another user")
def test_without_namespaces_root_names_the_directory_that_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "_can_map", lambda: False)  # what a container's kernel says
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(StartError, match="cannot enter /"):
        unprivileged.allow(private / "data")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://me:p%40ss@db.example:6543/rag?sslmode=require",
            {"NAME": "rag", "USER": "me", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "6543"},
        ),
        ("postgres:///rag", {"NAME": "rag", "USER": "", "PASSWORD": "", "HOST": "", "PORT": ""}),
    ],
)
def test_a_url_becomes_djangos_settings(url: str, expected: dict[str, str], tmp_path: Path) -> None:
    found = database_settings(url, tmp_path)
    assert {key: found[key] for key in expected} == expected


def test_options_of_a_url_are_passed_on(tmp_path: Path) -> None:
    found = database_settings("postgresql://h/n?sslmode=require&connect_timeout=3", tmp_path)
    assert found["OPTIONS"] == {"sslmode": "require", "connect_timeout": "3"}


def test_a_url_that_cannot_be_read_does_not_show_its_password(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL cannot be read") as caught:
        database_settings("postgresql://me:hidden%zz@db/rag", tmp_path)
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_settings_are_there_before_the_first_start(tmp_path: Path) -> None:
    first, second = (database_settings("", tmp_path / "new") for _ in range(2))
    assert first["PASSWORD"] == second["PASSWORD"] != ""
