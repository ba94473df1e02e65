"""How long a text is for a model, when nobody can be asked."""

import re
from functools import lru_cache

from .types import Usage

# A word of Latin letters is one to three tokens of a small vocabulary; a CJK character, digit or sign is one.
_PIECES = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\d|[^\W\d_]+|[^\w\s]|_")

_CHARACTERS_PER_TOKEN = 4  # of English
_MAX_REMEMBERED = 5_000  # characters: of a thousand texts, some MB in all


def estimate_tokens(text: str) -> int:
    """Return an estimate, in tokens, that errs on the long side for prose, so that a prompt cut by it fits."""
    return _remembered(text) if len(text) <= _MAX_REMEMBERED else _estimate(text)


def estimate_usage(*texts: str) -> Usage:
    """Return a rough estimate of what it takes to read these texts, by their length alone: for a server that is silent.

    Ingestion reads millions of words; to look at each would cost as much as to cut them.
    """
    return Usage(-(-sum(map(len, texts)) // _CHARACTERS_PER_TOKEN), 0, is_estimate=True)


def _estimate(text: str) -> int:
    return sum(1 + len(piece) // 4 for piece in _PIECES.findall(text))


# What was said in a session is measured four times in each of its turns: that was a quarter of a turn's CPU.
_remembered = lru_cache(maxsize=1_000)(_estimate)
