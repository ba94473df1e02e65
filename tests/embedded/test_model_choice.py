import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ragsite.embedded import model_choice
from ragsite.embedded.model_choice import QWEN, Local, Remote, choose, weights_file
from ragsite.errors import StartError

NO_PROBING = set(model_choice.LOCAL_PORTS.values())  # as if they were ours, so that nobody's Ollama is found


@contextmanager
def model_server(*names: str, port: int = 0) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": [{"id": name} for name in names]}).encode()
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def chosen(data_dir: Path, **environ: str) -> Local | Remote | None:
    return choose(environ, data_dir, NO_PROBING)


def test_off_is_none(tmp_path: Path) -> None:
    assert chosen(tmp_path, RAGSITE_LLM="off", OPENAI_API_KEY="key") is None


def test_with_nothing_set_the_bundled_model_serves_until_a_better_one_is_fetched(tmp_path: Path) -> None:
    found = chosen(tmp_path)
    assert isinstance(found, Local)
    assert (found.name, found.size_bytes, found.licence) == (
        "SmolLM2-135M-Instruct",
        98_362_432,
        "Apache-2.0",
    )
    assert found.rank == 90
    assert "do not trust its answers" in found.note
    assert found.missing == QWEN


def test_a_fetched_model_is_served_without_asking_the_hub(tmp_path: Path) -> None:
    file = weights_file(tmp_path, QWEN)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    found = chosen(tmp_path)
    assert isinstance(found, Local)
    assert (found.name, found.file, found.rank, found.missing) == ("Qwen2.5-1.5B-Instruct", file, 10, None)


def test_a_file_of_ones_own_wins_over_a_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    found = chosen(tmp_path, RAGSITE_LLM_GGUF=str(file), OPENAI_API_KEY="key")
    assert isinstance(found, Local)
    assert (found.name, found.size_bytes) == ("mine", 4)


def test_a_file_on_the_hub_is_fetched(tmp_path: Path) -> None:
    found = chosen(tmp_path, RAGSITE_LLM_GGUF="hf:owner/repository/folder/model.gguf")
    assert isinstance(found, Local)
    assert found.missing
    assert found.missing.path == "owner/repository/resolve/main/folder/model.gguf"


@pytest.mark.parametrize("wish", ["/nowhere/model.gguf", "hf:owner/repository", "hf:"])
def test_a_wish_that_leads_nowhere_is_refused_by_name(tmp_path: Path, wish: str) -> None:
    with pytest.raises(StartError, match=f"RAGSITE_LLM_GGUF={wish}"):
        chosen(tmp_path, RAGSITE_LLM_GGUF=wish)


def test_a_named_server_is_asked_for_its_model(tmp_path: Path) -> None:
    with model_server("text-embedding-3", "llama-70b") as port:
        found = chosen(tmp_path, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1/")
    assert found == Remote("llama-70b", "llama-70b", f"http://127.0.0.1:{port}/v1")


def test_the_key_stays_in_the_environment(tmp_path: Path) -> None:
    with model_server("llama-70b") as port:
        url = f"http://127.0.0.1:{port}/v1"
        found = chosen(tmp_path, OPENAI_BASE_URL=url, OPENAI_API_KEY="hidden", OPENAI_MODEL="mine")
    assert found == Remote("mine", "mine", url, "env:OPENAI_API_KEY")
    assert "hidden" not in repr(found)


def test_a_server_on_this_machine_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with model_server("nomic-embed-text", "qwen3:4b") as port:
        monkeypatch.setattr(model_choice, "LOCAL_PORTS", {"Ollama": port})
        found = choose({}, tmp_path, set())
        ours = choose({}, tmp_path, {port})
    assert isinstance(found, Remote)
    assert (found.model, found.note) == ("qwen3:4b", "Served by Ollama on this machine.")
    assert isinstance(ours, Local)
