"""Masks a key in the words of a server that refuses it: the whole key, a part of it, or what the server left of it."""

import re

_LEAST = 6  # characters of a key in a row that are no coincidence
_LEAST_OF_ENDS = 3  # next to asterisks or dots
_TOKEN = re.compile(r"[^\s\"'`<>(),;]+")
_GAP = re.compile(r"\*{2,}|\.{3,}|…|•{2,}|[xX]{4,}")


def mask(words: str, secret: str | None) -> str:
    """Return the words without any part of the secret."""
    if not secret:
        return words
    return _TOKEN.sub(lambda found: "***" if _shows(found[0], secret) else found[0], words)


def _shows(token: str, secret: str) -> bool:
    if secret in token or any(part in token for part in _parts(secret)):
        return True
    begin, *gaps = _GAP.split(token)
    if not gaps:
        return False
    first, last = begin.rpartition(":")[2][:_LEAST_OF_ENDS], gaps[-1].rstrip(".:")[-_LEAST_OF_ENDS:]
    return bool(first and secret.startswith(first)) or bool(last and secret.endswith(last))


def _parts(secret: str) -> list[str]:
    return [secret[at : at + _LEAST] for at in range(len(secret) - _LEAST + 1)]
