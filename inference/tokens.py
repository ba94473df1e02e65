"""Token estimates for texts, when no tokenizer is available."""

import re
from functools import lru_cache

from .types import Usage

# A word of Latin letters is one to three tokens of a small vocabulary; a CJK character, digit or sign is one.
_PIECES = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\d|[^\W\d_]+|[^\w\s]|_")

_CHARACTERS_PER_TOKEN = 4  # in English
_MAX_REMEMBERED = 5_000  # characters; a thousand cached texts take some MB


def estimate_tokens(text: str) -> int:
    """Return an estimate of the tokens.

    It errs on the high side for prose, so that a prompt cut by it fits.
    """
    return _remembered(text) if len(text) <= _MAX_REMEMBERED else _estimate(text)


def estimate_usage(*texts: str) -> Usage:
    """Estimate the usage of reading these texts from their length alone, for servers that report none.

    Ingestion reads millions of words. Tokenizing each word would cost as much as chunking the texts.
    """
    return Usage(-(-sum(map(len, texts)) // _CHARACTERS_PER_TOKEN), 0, is_estimate=True)


def _estimate(text: str) -> int:
    return sum(1 + len(piece) // 4 for piece in _PIECES.findall(text))


# Each turn measures the session's history four times: without the cache that was a quarter of a turn's CPU.
_remembered = lru_cache(maxsize=1_000)(_estimate)
