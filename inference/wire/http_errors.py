"""Maps error replies of model servers to our errors, including the server's own explanation."""

import json
import re
from collections.abc import Mapping
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
_STATUS_NAMES = ("code", "status", "status_code", "error_code")
# Parts of the error types that servers send instead of a number: OpenAI, TGI, Anthropic.
_STATUS_OF_TYPE = {
    "rate_limit": 429,
    "authentication": 401,
    "permission": 403,
    "invalid": 400,
    "validation": 400,
}
_ENDS = (".", "!", "?", "…")
# Keys that a server repeats, which may be another one's (`inference.masking` knows only ours): by their usual prefixes,
# by asterisks within, or by the words before them. A word without a digit, such as max_tokens, is no key.
_KEY = re.compile(
    r"\b(?:(?:sk|pk|rk|gsk|hf|xai|rs)[-_][\w*.-]{6,}|AIza[\w-]{8,}|AKIA[A-Z\d]{8,})\b"
    r"|\w[\w-]*\*{3,}[\w*-]*|\*{3,}\w[\w*-]*"
    r"|(?:(?<=Bearer )|(?<=provided: ))(?=\S*\d)[\w*.-]{7,}\w"
)


def words_of(body: bytes) -> str:
    """Return the server's own explanation, shortened; "" if the body has none."""
    try:
        return words_in(json.loads(body))
    except ValueError:  # an HTML page of a proxy contains nothing that helps an operator
        return ""


def words_in(reply: Any) -> str:
    """Return the explanation in a decoded reply.

    Knows the shapes of OpenAI, vLLM, FastAPI, Ollama, Hugging Face, DashScope and RFC 9457 (problem details).
    """
    match reply:
        case {"error": dict(error)} | {"errors": [error, *_]} | {"detail": dict(error)}:
            return words_in(error)
        case {"error": str(text)} | {"message": str(text)} | {"detail": str(text)} | {"title": str(text)}:
            return _shorten(text)
        case {"msg": str(text)} | {"error_msg": str(text)}:
            return _shorten(text)
        case {"detail": [{"msg": str(text), "loc": [*place]}, *_]}:  # its "input" would repeat the prompt
            return _shorten(f"{'.'.join(str(part) for part in place)}: {text}")
        case str(text):
            return _shorten(text)
    return ""


def reported_error(reply: Mapping[str, Any]) -> InferenceError | None:
    """Return the error that a reply with status 200 reports, or None if it reports none."""
    error = reply.get("error") or reply.get("errors")
    is_named = "error" in (reply.get("object"), reply.get("type"))
    if not error and not is_named and ("choices" in reply or not words_in(reply)):
        return None
    inner = error[0] if isinstance(error, list) else error
    found = inner if isinstance(inner, dict) else reply
    return error_for(_status_in(found) or _status_in(reply) or 500, words_in(reply))


def _status_in(error: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that an error object names, as a number or by its type."""
    for name in _STATUS_NAMES:
        code = error.get(name)
        if (isinstance(code, int) or (isinstance(code, str) and code.isdecimal())) and 400 <= int(code) < 600:
            return int(code)
    kinds = f"{error.get('type')} {error.get('error_type')} {error.get('code')}".lower()
    return next((status for part, status in _STATUS_OF_TYPE.items() if part in kinds), None)


def error_for(status: int, words: str, retry_after_s: float | None = None) -> InferenceError:
    """Return the error for an HTTP status above 299. Its sentence ends with the server's own explanation."""
    said = f" It said: {words}{'' if words.endswith(_ENDS) else '.'}" if words else ""
    if 300 <= status < 400:
        return Misconfigured(f"The model's server redirects elsewhere ({status}): correct the address.{said}")
    match status:
        case 401 | 403:
            return Unauthorized(f"The model's server refused the key ({status}): check the secret.{said}")
        case 402:
            return Misconfigured(f"The model's server asks to be paid (402): check the account there.{said}")
        case 404 | 405:
            return Misconfigured(
                f"The model's server does not know this model or address ({status}): check both.{said}"
            )
        case 407:
            return Misconfigured(f"The proxy on the way to the model refused us (407): name its user.{said}")
        case 429:
            return RateLimited(f"The model's server asks to slow down (429).{said}", retry_after_s)
        case 408 | 409 | 425:
            return Unavailable(f"The model's server is not ready ({status}).{said}")
    if status < 500:
        return Rejected(f"The model refused this request ({status}).{said}")
    return Unavailable(f"The model's server failed ({status}).{said}")


def _shorten(text: str) -> str:
    text = _KEY.sub("(key)", " ".join(text.split()))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
