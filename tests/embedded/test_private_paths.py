import os
from pathlib import Path

import pytest

from ragsite.errors import StartError
from ragsite.private_paths import make_private, socket_dir


@pytest.mark.parametrize("name", ["short", "with spaces", "ünïcode"])
def test_sockets_lie_in_the_data_directory(name: str) -> None:
    assert socket_dir(Path("/data") / name) == Path("/data") / name / "run"


@pytest.mark.parametrize("name", ["long" * 30, "ü" * 40, "a,b", "100%", "what?", 'a"b'])
def test_a_path_that_no_socket_can_have_gets_a_short_one_of_its_own(name: str) -> None:
    found = socket_dir(Path("/data") / name)
    assert found.parent == Path("/tmp")
    assert found == socket_dir(Path("/data") / name) != socket_dir(Path("/data") / f"{name}2")


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StartError, match="belongs to another user"):
        make_private(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_even_root_does_not_trust_a_directory_that_a_user_prepared(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(StartError, match="belongs to another user"):
        make_private(tmp_path / "theirs")
