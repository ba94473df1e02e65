import json
import re
from typing import Any

import pytest

from inference.errors import InferenceError, Misconfigured, RateLimited, Rejected, Unauthorized, Unavailable
from inference.wire.http_errors import error_for, words_of

SHAPES: dict[str, tuple[Any, str]] = {
    "OpenAI": ({"error": {"message": "No such model.", "type": "x"}}, "No such model."),
    "Ollama, Hugging Face": ({"error": "No such model."}, "No such model."),
    "FastAPI": ({"detail": "Not Found"}, "Not Found"),
    "FastAPI's validation": (
        {"detail": [{"loc": ["body", "input"], "msg": "too long", "input": "a secret prompt"}]},
        "body.input: too long",
    ),
    "AWS": ({"message": "Denied."}, "Denied."),
    "lines": ({"error": "a\n\n  b"}, "a b"),
    "long": ({"error": "x" * 1000}, "x" * 299 + "…"),
    "another shape": ({"errors": [1]}, ""),
    "a number": (3, ""),
}


@pytest.mark.parametrize(("body", "words"), SHAPES.values(), ids=SHAPES.keys())
def test_the_servers_words_are_found(body: Any, words: str) -> None:
    assert words_of(json.dumps(body).encode()) == words


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect API key provided: sk-proj-a1b2c3. See the docs.",
        "Incorrect API key provided: abcd1234efgh. See the docs.",
        "Incorrect API key provided: sk-pr***********efgh. See the docs.",
        "Invalid token: Bearer abcd1234efgh. See the docs.",
        "The key AKIAABCD1234EFGH is disabled. See the docs.",
    ],
)
def test_a_key_that_the_server_repeats_is_left_out(words: str) -> None:
    said = words_of(json.dumps({"error": {"message": words}}).encode())
    assert "(key)" in said
    assert "See the docs." in said
    assert not re.search("a1b2|1234|efgh|EFGH", said)


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported parameter provided: max_tokens. Use max_completion_tokens.",
        "*** out of memory ***",
        "Start the server with the model, or-else nothing answers.",
        "Bearer authentication is not set up.",
    ],
)
def test_other_words_of_the_server_are_kept(words: str) -> None:
    assert words_of(json.dumps({"error": words}).encode()) == words


def test_the_servers_words_end_as_a_sentence() -> None:
    assert str(error_for(500, "overloaded")).endswith("It said: overloaded.")
    assert str(error_for(500, "Overloaded!")).endswith("It said: Overloaded!")


def test_a_proxys_page_says_nothing() -> None:
    assert words_of(b"<html>502 Bad Gateway</html>") == words_of(b"\xff") == ""


STATUSES: dict[int, tuple[type[InferenceError], bool]] = {
    301: (Misconfigured, False),
    400: (Rejected, False),
    401: (Unauthorized, False),
    403: (Unauthorized, False),
    404: (Misconfigured, False),
    408: (Unavailable, True),
    413: (Rejected, False),
    422: (Rejected, False),
    429: (RateLimited, True),
    500: (Unavailable, True),
    503: (Unavailable, True),
}


@pytest.mark.parametrize(("status", "meaning"), STATUSES.items())
def test_a_status_has_a_meaning(status: int, meaning: tuple[type[InferenceError], bool]) -> None:
    error = error_for(status, "Why not.", retry_after_s=3)
    assert (type(error), error.retryable) == meaning
    assert f"({status})" in str(error)
    assert str(error).endswith("It said: Why not.")


def test_a_rate_limit_says_how_long_to_wait() -> None:
    error = error_for(429, "", retry_after_s=3)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 3
