"""Shells that were set up for other programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragsite import shell
from tests.installation import free_port

# What other programs leave in a shell: each of these once broke the start.
ODD = {
    "PGHOSTADDR": "10.255.255.1",
    "PGSERVICE": "of_another_program",
    "PGSSLMODE": "verify-full",
    "PGOPTIONS": "-c no.such=setting",
    "DJANGO_SETTINGS_MODULE": "another_project.settings",
    "PYTHONIOENCODING": "ascii",
    "LC_ALL": "POSIX",
    "http_proxy": "http://10.255.255.1:3128",
    "ALL_PROXY": "socks5://10.255.255.1:1080",
}


def run(root: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAGSITE_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_run_and_say_what_they_can(root: Path, tmp_path: Path) -> None:
    done = run(root, "manage.py", "restore", "…", "--verify", **ODD, RAGSITE_DATA_DIR=str(tmp_path / "ä ß"))
    assert "holds no complete backup" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_without_its_database_ends_with_a_sentence(root: Path, tmp_path: Path) -> None:
    done = run(
        root,
        "manage.py",
        "reconcile",
        DATABASE_URL="postgres://a:b@127.0.0.1:9/x",
        RAGSITE_DATA_DIR=str(tmp_path),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The database does not answer" in done.stderr
    assert "Start Ragsite, or check DATABASE_URL" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("RAGSITE_PORT", "80000", "RAGSITE_PORT='80000': write a whole number from 1 to 65535."),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL must start with postgres:// or postgresql://."),
        ("RAGSITE_DATA_DIR", "{file}", "RAGSITE_DATA_DIR={file} cannot be read and written: File exists."),
    ],
)
@pytest.mark.parametrize(
    "command", [("-m", "ragsite.embedded"), ("manage.py", "up"), ("manage.py", "reconcile")], ids=" ".join
)
def test_a_variable_that_cannot_be_used_ends_with_a_sentence(
    variable: str, value: str, sentence: str, command: tuple[str, ...], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    variables = {"RAGSITE_DATA_DIR": str(tmp_path / "data")}
    variables[variable] = value.format(file=tmp_path / "file")
    done = run(root, *command, **variables)
    assert done.returncode == 1
    assert done.stderr.removeprefix("Ragsite cannot run. ") == sentence.format(file=tmp_path / "file") + "\n"


def test_two_services_on_one_port_are_told_before_anything_starts(root: Path, tmp_path: Path) -> None:
    done = run(
        root,
        "-m",
        "ragsite.embedded",
        RAGSITE_DATA_DIR=str(tmp_path / "data"),
        RAGSITE_PORT=(port := str(free_port())),
        RAGSITE_SERVING_PORT=port,
        RAGSITE_LLM="off",
    )
    assert done.returncode == 1
    assert f"RAGSITE_PORT and RAGSITE_SERVING_PORT are both {port}." in done.stdout
    assert not (tmp_path / "data" / "postgres" / "data").exists()


@pytest.mark.parametrize("command", [("backup", "{place}"), ("drop_kept_database", "x")], ids=" ".join)
def test_a_command_in_a_shell_without_the_data_directory_makes_no_empty_database(
    command: tuple[str, ...], root: Path, tmp_path: Path
) -> None:
    """As in cron: a backup of an empty database would look like one."""
    arguments = (each.format(place=tmp_path / "backup") for each in command)
    done = run(root, "manage.py", *arguments, RAGSITE_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"CommandError: There is no database in {tmp_path / 'data'}.")
    assert not (tmp_path / "data" / "postgres" / "data").exists()
    assert not (tmp_path / "backup").exists()


def test_a_terminal_that_is_not_utf8_shows_question_marks(root: Path) -> None:
    done = run(
        root, "-c", "from ragsite import shell; shell.adapt(); print('Stopping …')", PYTHONIOENCODING="ascii"
    )
    assert done.stdout == "Stopping ?\n"


@pytest.mark.parametrize(
    ("found", "used"),
    [
        ("", "ragsite.settings"),
        ("another_project.settings", "ragsite.settings"),
        ("tests.settings", "tests.settings"),
        (".", "ragsite.settings"),
    ],
)
def test_settings_of_another_project_are_not_looked_for(
    found: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", found)
    shell.choose_settings()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == used


def test_our_python_processes_import_only_what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONOPTIMIZE"):
        monkeypatch.setenv(name, "/another/program")
    given = shell.environment_for_python()
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONOPTIMIZE"} & given.keys()
    assert given["DJANGO_SETTINGS_MODULE"] == "ragsite.settings"


@pytest.mark.parametrize(
    ("database_url", "left"), [("", set()), ("postgresql://db/x", {"PGSSLROOTCERT", "PGPASSFILE"})]
)
def test_variables_that_lead_to_another_database_are_forgotten(
    database_url: str, left: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name in ("PGHOSTADDR", "PGSERVICE", "PGSSLROOTCERT", "PGPASSFILE"):
        monkeypatch.setenv(name, "x")
    shell.forget_other_databases(database_url)
    assert {name for name in os.environ if name.startswith("PG")} == left


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "intranet.example.org")
    monkeypatch.delenv("NO_PROXY", raising=False)
    shell.reach_this_machine_directly()
    assert os.environ["no_proxy"] == "intranet.example.org,localhost,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_few_open_files_become_as_many_as_the_user_may_have(root: Path) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, {hard}), {hard}));"
        "from ragsite.embedded.up import allow_many_files; allow_many_files();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    assert run(root, "-c", program.format(hard=4096)).stdout == "4096\n"
    said = run(root, "-c", program.format(hard=256)).stdout
    assert "may open 256 files only" in said
    assert (
        "may open 64 files only, and Ragsite needs 256. Raise"
        in run(root, "-c", program.format(hard=64)).stderr
    )
