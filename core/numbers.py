"""Formats numbers for people: durations, prices, token counts."""

from datetime import timedelta
from decimal import Decimal


def duration_words(duration: timedelta) -> str:
    """Return a duration such as 0.8 s, 42 s or 3 min 05 s."""
    total = max(0.0, duration.total_seconds())
    if total < 10:
        return f"{total:.1f} s"
    if total < 60:
        return f"{total:.0f} s"
    minutes, rest = divmod(round(total), 60)
    return f"{minutes} min {rest:02} s"


def millisecond_words(took_ms: float) -> str:
    """Return milliseconds such as 0.4 ms, 12 ms or 3.1 s."""
    if took_ms >= 1000:
        return f"{took_ms / 1000:.1f} s"
    return f"{took_ms:.0f} ms" if took_ms >= 10 else f"{took_ms:.1f} ms"


def estimate_words(seconds: float) -> str:
    """Return a rough duration such as a second, 40 seconds, 12 minutes or 2.5 hours."""
    if seconds < 90:
        return "a second" if seconds < 1.5 else f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def dollar_words(amount: Decimal) -> str:
    """Return US dollars with two significant digits: $1.20, $0.0034."""
    if amount >= 1:
        return f"${amount:.2f}"
    return f"${amount:.2g}" if amount >= Decimal("0.0001") else "under $0.0001"


def estimated_dollar_words(amount: Decimal) -> str:
    """Return a rough price such as $1.20, less than one cent or free."""
    if amount >= Decimal("0.01"):
        return f"${amount:.2f}"
    return "less than one cent" if amount else "free"


def token_words(tokens: int) -> str:
    """Return a token count such as 1.2 M tokens, 3.4 k tokens or 120 tokens."""
    for size, letter in ((1_000_000, " M"), (1_000, " k")):
        if tokens >= size:
            return f"{tokens / size:.1f}{letter} tokens"
    return f"{tokens} tokens"
