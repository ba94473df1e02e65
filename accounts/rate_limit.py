"""Rate limit against password guessing: after a few wrong passwords, each further one doubles the wait.

Attempts count per name and source, so that a stranger's guesses do not lock out the real user elsewhere. The
source is an address, or a browser in which this user has logged in before (accounts/known_browser.py). The wrong
passwords of an address also count together, whatever the names, against guesses of one password for many names.
Guesses of a user who is logged in count together, whatever the address: a stolen session works from all of them.

If the cache server is away or full, each web process counts by itself, so that people can log in and a guesser still
has to wait.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from django.core.cache import BaseCache, caches
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
T = TypeVar("T")

FREE_ATTEMPTS = 5
FREE_PER_ADDRESS = 60  # many people may share the address of their office
FIRST_WAIT_S = 15
LONGEST_WAIT_S = 15 * 60
FORGOTTEN_AFTER_S = 60 * 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attempt comes from. browser: the id of a browser that the user has used before, or ""."""

    address: str
    browser: str = ""

    def keys(self, username: str) -> list[tuple[str, int]]:
        """Return the counters of an attempt, each with the attempts that are free."""
        if self.browser:
            return [(_key(username, "browser", self.browser), FREE_ATTEMPTS)]
        return [
            (_key(username, "address", self.address), FREE_ATTEMPTS),
            (_key("", "all of an address", self.address), FREE_PER_ADDRESS),
        ]


LOGGED_IN = Source("", "logged in")  # of a user who is logged in, and repeats the password


def seconds_to_wait(username: str, source: Source) -> int:
    """Return how many seconds this user has to wait before the next attempt; 0 if none."""
    names = [f"{key}:until" for key, _ in source.keys(username)]
    shared = _shared(lambda cache: cache.get_many(names)) or {}
    until = [*shared.values(), *_own().get_many(names).values()]
    return max(0, round(max(until, default=0.0) - time.time()))


def note_attempt(username: str, source: Source) -> int:
    """Count an attempt before its password is checked, and return the resulting wait in seconds."""
    keys = source.keys(username)
    longest = _shared(lambda cache: _count(cache, keys))
    return _count(_own(), keys) if longest is None else longest


def forget(username: str, source: Source) -> None:
    """Reset the count, because the password was right. Other names of the address keep theirs."""
    take_back(username, source)
    (mine, _), *_ = source.keys(username)
    _everywhere(lambda cache: cache.delete(mine))


def take_back(username: str, source: Source) -> None:
    """Take an attempt back, with the wait that it caused, because no wrong password was found."""
    _everywhere(lambda cache: _take_back(cache, source.keys(username)))


def _everywhere(use: Callable[[BaseCache], object]) -> None:
    _shared(use)
    use(_own())


def _own() -> BaseCache:
    return caches["own"]


def _shared(use: Callable[[BaseCache], T]) -> T | None:
    """Return what `use` returns for the cache that all processes share, or None if that is away or full."""
    try:
        return use(caches["default"])
    except (RedisError, OSError) as error:
        logger.warning("This process limits logins by itself: %s", error)
        return None


def _count(cache: BaseCache, keys: list[tuple[str, int]]) -> int:
    longest = 0
    for key, free in keys:
        cache.add(key, 0, FORGOTTEN_AFTER_S)
        attempts: int = cache.incr(key)
        if attempts >= free:
            wait = min(FIRST_WAIT_S * 2 ** min(attempts - free, 10), LONGEST_WAIT_S)
            cache.set(f"{key}:until", time.time() + wait, wait)
            longest = max(longest, wait)
    return longest


def _take_back(cache: BaseCache, keys: list[tuple[str, int]]) -> None:
    for key, _ in keys:
        with suppress(ValueError):  # it has expired
            cache.decr(key)
        cache.delete(f"{key}:until")


def _key(*parts: str) -> str:
    name, *rest = parts
    return "login:" + sha256("\0".join([name.strip().lower(), *rest]).encode()).hexdigest()
