"""A server that does not answer is left alone for a while, instead of having everybody wait for it.

After some calls in a row that it did not answer, and no other meanwhile, further ones are refused at once. When
the pause is over, one call is let through: if that is answered all are, else the pause begins again. Each
process finds out for itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic

from .errors import BadReply, RateLimited, Rejected, Unauthorized, Unavailable

OPENS_AFTER = 3  # calls in a row, each with its retries
PAUSE_S = 15.0


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    until: float = 0.0  # by the monotonic clock


_troubles: dict[str, _Trouble] = {}  # by the endpoint's name; only of those that are in trouble
_answered: dict[str, float] = {}  # when each last answered


@contextmanager
def guarding(name: str) -> Iterator[None]:
    """Guard one call of the endpoint with this name; "" is not guarded. Raises Unavailable during a pause."""
    _admit(name)
    began = monotonic()
    try:
        yield
    except (BadReply, RateLimited, Rejected, Unauthorized):  # it answers
        _note_answer(name)
        raise
    except Unavailable:
        if _answered.get(name, 0.0) < began:  # else this call is in trouble, and not the server
            _note_failure(name)
        raise
    _note_answer(name)


def _admit(name: str) -> None:
    trouble = _troubles.get(name)
    if trouble is None or trouble.failures < OPENS_AFTER:
        return
    left_s = trouble.until - monotonic()
    if left_s > 0:
        raise Unavailable(f"{name} is not answering. It will be tried again in {ceil(left_s)} s.")
    trouble.until = monotonic() + PAUSE_S  # for all others, until this one knows


def _note_answer(name: str) -> None:
    _troubles.pop(name, None)
    _answered[name] = monotonic()


def _note_failure(name: str) -> None:
    if name:
        trouble = _troubles.setdefault(name, _Trouble())
        trouble.failures += 1
        trouble.until = monotonic() + PAUSE_S
