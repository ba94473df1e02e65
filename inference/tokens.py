"""How long a text is for a model, when nobody can be asked."""

import re
from functools import lru_cache

# A word of Latin letters is one to three tokens of a small vocabulary; a CJK character, digit or sign is one.
_PIECES = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\d|[^\W\d_]+|[^\w\s]|_")

_REMEMBERED_MOST = 5_000  # characters: of a thousand texts, some MB in all


def estimate_tokens(text: str) -> int:
    """Return an estimate, in tokens, that errs on the long side for prose, so that a prompt cut by it fits."""
    return _remembered(text) if len(text) <= _REMEMBERED_MOST else _estimated(text)


def _estimated(text: str) -> int:
    return sum(1 + len(piece) // 4 for piece in _PIECES.findall(text))


# What was said in a session is measured four times in each of its turns: that was a quarter of a turn's CPU.
_remembered = lru_cache(maxsize=1_000)(_estimated)
