"""Circuit breaker: calls to a server that does not answer fail fast, so that callers do not wait for it.

An endpoint's breaker opens after OPENS_AFTER calls in a row without an answer, provided that no other call
was answered meanwhile. While it is open, calls fail at once. After the pause the breaker is half-open and
lets one call through: an answer closes the breaker, a failure starts the pause again. Each process has its
own breakers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic

from .errors import BadReply, RateLimited, Rejected, Unauthorized, Unavailable

OPENS_AFTER = 3  # calls in a row; each includes its retries
PAUSE_S = 15.0


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    until: float = 0.0  # on the monotonic clock


_troubles: dict[str, _Trouble] = {}  # by endpoint name; holds only endpoints with failures
_answered: dict[str, float] = {}  # when each endpoint last answered


@contextmanager
def guarding(name: str) -> Iterator[None]:
    """Guard one call of the endpoint with this name; "" has no breaker.

    Raise Unavailable while it is open.
    """
    _admit(name)
    began = monotonic()
    try:
        yield
    except (BadReply, RateLimited, Rejected, Unauthorized):  # the server answered
        _note_answer(name)
        raise
    except Unavailable:
        if _answered.get(name, 0.0) < began:  # else the server answered another call
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
    trouble.until = monotonic() + PAUSE_S  # other calls keep failing fast until this probe has its result


def _note_answer(name: str) -> None:
    _troubles.pop(name, None)
    _answered[name] = monotonic()


def _note_failure(name: str) -> None:
    if name:
        trouble = _troubles.setdefault(name, _Trouble())
        trouble.failures += 1
        trouble.until = monotonic() + PAUSE_S
