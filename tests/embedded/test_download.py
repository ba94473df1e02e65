"""The hub's side is a server on loopback that resumes, cuts, refuses and lies as told."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ragsite.embedded.download import DownloadFailed, fetch
from ragsite.embedded.model_choice import Weights

CONTENT = bytes(range(256)) * 4096  # 1 MB
WEIGHTS = Weights(
    "owner/repository/resolve/main/small.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()
)


class Hub(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.cut_after: list[int] = []  # bytes given to each request before the line is cut
        self.status: list[int] = []  # refusals, one per request
        self.resumes = True
        self.ranges: list[str | None] = []  # what was asked for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.server.status:
            self.send_error(self.server.status.pop(0))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.resumes else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after.pop(0)] if self.server.cut_after else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_file_is_there_when_it_is_whole_and_verified(hub: Hub, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    fetch(hub.url, WEIGHTS, tmp_path / "models" / "small.gguf", lambda *now: reports.append(now))
    assert (tmp_path / "models" / "small.gguf").read_bytes() == CONTENT
    assert reports[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_line_goes_on_where_it_was_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = [300_000, 300_000]
    fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert hub.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert (tmp_path / "small.gguf").read_bytes() == CONTENT


def test_what_an_earlier_run_got_is_used(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "small.gguf.part").write_bytes(CONTENT[:1000])
    fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert hub.ranges == ["bytes=1000-"]


def test_a_server_that_does_not_resume_is_asked_for_all(hub: Hub, tmp_path: Path) -> None:
    hub.resumes, hub.cut_after = False, [300_000]
    fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert (tmp_path / "small.gguf").read_bytes() == CONTENT


def test_other_bytes_are_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.content = CONTENT[::-1]
    with pytest.raises(DownloadFailed, match="SHA-256"):
        fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert list(tmp_path.iterdir()) == []


def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.status = [503, 429]
    fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert len(hub.ranges) == 3


def test_a_refusal_is_final(hub: Hub, tmp_path: Path) -> None:
    hub.status = [404]
    with pytest.raises(DownloadFailed, match="404"):
        fetch(hub.url, WEIGHTS, tmp_path / "small.gguf")
    assert len(hub.ranges) == 1


def test_without_a_network_it_gives_up_soon(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"does not answer.*refused"):
        fetch("http://127.0.0.1:1", WEIGHTS, tmp_path / "small.gguf", patience=2)
