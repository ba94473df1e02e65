"""OpenAI's embeddings, and our container's contract in both directions."""

import json
from typing import Any

import pytest

from inference.errors import BadReply, Rejected
from inference.types import Embeddings, Usage
from inference.wire import embed_rerank, openai_embeddings
from inference.wire.embed_rerank import EmbeddingsRequest, ScoresRequest


def test_openai_is_asked_for_numbers() -> None:
    assert openai_embeddings.body("m", ["a"], dimensions=8) == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "float",
        "dimensions": 8,
    }
    assert "dimensions" not in openai_embeddings.body("m", ["a"])


def test_openai_numbers_its_vectors() -> None:
    data = [{"index": 1, "embedding": [2, 2]}, {"index": 0, "embedding": [1, 1]}]
    reply = openai_embeddings.read_reply(json.dumps({"data": data}).encode(), ["a", "b"])
    assert reply.vectors == [[1, 1], [2, 2]]


def test_tokens_are_as_the_server_counted_them_else_estimated() -> None:
    reply: dict[str, Any] = {"data": [{"index": 0, "embedding": [1]}]}
    estimated = openai_embeddings.read_reply(json.dumps(reply).encode(), ["ten chars!"])
    assert estimated.usage == Usage(3, 0, is_estimate=True)
    reply["usage"] = {"prompt_tokens": 2, "total_tokens": 2}
    assert openai_embeddings.read_reply(json.dumps(reply).encode(), ["ten chars!"]).usage == Usage(2, 0)


GARBAGE = {
    "no JSON": b"<html>",
    "another shape": b'{"embedding": [1]}',
    "text for numbers": b'{"data": [{"index": 0, "embedding": ["x"]}], "embeddings": [["x"]], "scores": ["x"]}',
    "not a number": b'{"data": [{"index": 0, "embedding": [NaN]}], "embeddings": [[NaN]], "scores": [NaN]}',
    "nothing": b"",
}


@pytest.mark.parametrize("reply", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused(reply: bytes) -> None:
    def read_openai(data: bytes) -> Embeddings:
        return openai_embeddings.read_reply(data, ["a"])

    for read in (read_openai, embed_rerank.read_embeddings, embed_rerank.read_scores):
        with pytest.raises(BadReply):
            read(reply)


def test_the_container_reads_what_the_client_writes() -> None:
    asked: Any = embed_rerank.embeddings_request(["a", "é"], "query")
    assert embed_rerank.read_request(json.dumps(asked).encode()) == EmbeddingsRequest(
        type="embeddings", role="query", input=["a", "é"]
    )
    asked = embed_rerank.scores_request("q", ["a"])
    assert embed_rerank.read_request(json.dumps(asked).encode()) == ScoresRequest(
        type="cross-encoder", query="q", passages=["a"]
    )


def test_the_client_reads_what_the_container_writes() -> None:
    reply = embed_rerank.embeddings_reply([[1.0, 0.5]], "mini")
    assert reply["dimensions"] == 2
    assert embed_rerank.read_embeddings(json.dumps(reply).encode()) == [[1.0, 0.5]]
    assert embed_rerank.read_scores(json.dumps(embed_rerank.scores_reply([0.5], "mini")).encode()) == [0.5]


BAD_REQUESTS = {
    "no JSON": ("{", "Invalid JSON"),
    "no type": ({"input": ["a"]}, "type"),
    "unknown type": ({"type": "chat"}, "'embeddings', 'cross-encoder'"),
    "no texts": ({"type": "embeddings", "input": []}, "input: List should have at least 1"),
    "too many texts": ({"type": "embeddings", "input": ["a"] * 2049}, "input: List should have at most 2048"),
    "a number": ({"type": "embeddings", "input": ["a", 3]}, "input.1: .*string"),
    "a long text": ({"type": "embeddings", "input": ["x" * 100_001]}, "input.0: .*100000 characters"),
    "an unknown role": ({"type": "embeddings", "role": "x", "input": ["a"]}, "role: .*'query' or 'passage'"),
    "an unknown field": ({"type": "embeddings", "input": ["a"], "foo": 1}, "foo: Extra"),
    "no query": ({"type": "cross-encoder", "passages": ["a"]}, "query: Field required"),
}


@pytest.mark.parametrize(("body", "sentence"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_is_told_its_field(body: Any, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence) as refusal:
        embed_rerank.read_request((body if isinstance(body, str) else json.dumps(body)).encode())
    assert "xxx" not in str(refusal.value), "texts do not belong into messages"
