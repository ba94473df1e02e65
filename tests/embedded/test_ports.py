import os
import socket
from collections.abc import Iterator

import pytest

from ragsite.embedded.ports import check_free
from ragsite.errors import StartError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_names_the_process_and_the_variable(taken_port: int) -> None:
    with pytest.raises(StartError, match=rf"Port {taken_port} .*process {os.getpid()} .*set RAGSITE_PORT"):
        check_free("127.0.0.1", taken_port, "RAGSITE_PORT")


def test_a_free_port_is_fine(taken_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check_free("127.0.0.1", port, "RAGSITE_PORT")


def test_an_address_of_another_machine_names_the_variable() -> None:
    with pytest.raises(StartError, match="Set RAGSITE_HOST to an address of this machine"):
        check_free("192.0.2.1", 8000, "RAGSITE_PORT")
