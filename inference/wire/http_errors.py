"""Maps HTTP error replies of model servers to our errors, including the server's own explanation."""

import json
from typing import Any

from inference.errors import (
    InferenceError,
    Misconfigured,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)

_MAX_CHARACTERS = 300


def words_of(body: bytes) -> str:
    """Return the server's own explanation, shortened; "" if the body has none."""
    try:
        return words_in(json.loads(body))
    except ValueError:  # an HTML page of a proxy contains nothing that helps an operator
        return ""


def words_in(reply: Any) -> str:
    """Return the explanation in a decoded reply.

    Knows the shapes of OpenAI, FastAPI, Ollama and Hugging Face.
    """
    match reply:
        case {"error": dict(error)}:
            return words_in(error)
        case {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return _shorten(text)
        case {"detail": [{"msg": str(text), "loc": [*place]}, *_]}:  # its "input" would repeat the prompt
            return _shorten(f"{'.'.join(str(part) for part in place)}: {text}")
    return ""


def error_for(status: int, words: str, retry_after_s: float | None = None) -> InferenceError:
    """Return the error for an HTTP status above 299. Its sentence ends with the server's own explanation."""
    said = f" It said: {words}" if words else ""
    if 300 <= status < 400:
        return Misconfigured(f"The model's server redirects elsewhere ({status}): correct the address.{said}")
    match status:
        case 401 | 403:
            return Unauthorized(f"The model's server refused the key ({status}): check the secret.{said}")
        case 404 | 405:
            return Misconfigured(
                f"The model's server does not know this model or address ({status}): check both.{said}"
            )
        case 429:
            return RateLimited(f"The model's server asks to slow down (429).{said}", retry_after_s)
        case 408 | 409 | 425:
            return Unavailable(f"The model's server is not ready ({status}).{said}")
    if status < 500:
        return Rejected(f"The model refused this request ({status}).{said}")
    return Unavailable(f"The model's server failed ({status}).{said}")


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
