"""Rate limit against password guessing: after a few wrong passwords, each further one doubles the wait.

Attempts count per name and source, so that a stranger's guesses do not lock out the real user elsewhere. The
source is an address, or a browser in which this user has logged in before (accounts/known_browser.py). The wrong
passwords of an address also count together, whatever the names, against guesses of one password for many names.
Guesses of a user who is logged in count together, whatever the address: a stolen session works from all of them.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache

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
    until = cache.get_many([f"{key}:until" for key, _ in source.keys(username)])
    return max(0, round(max(until.values(), default=0.0) - time.time()))


def note_attempt(username: str, source: Source) -> int:
    """Count an attempt before its password is checked, and return the resulting wait in seconds."""
    longest = 0
    for key, free in source.keys(username):
        cache.add(key, 0, FORGOTTEN_AFTER_S)
        attempts: int = cache.incr(key)
        if attempts >= free:
            wait = min(FIRST_WAIT_S * 2 ** min(attempts - free, 10), LONGEST_WAIT_S)
            cache.set(f"{key}:until", time.time() + wait, wait)
            longest = max(longest, wait)
    return longest


def forget(username: str, source: Source) -> None:
    """Reset the count, because the password was right. Other names of the address keep theirs."""
    take_back(username, source)
    (mine, _), *_ = source.keys(username)
    cache.delete(mine)


def take_back(username: str, source: Source) -> None:
    """Take an attempt back, with the wait that it caused, because no wrong password was found."""
    for key, _ in source.keys(username):
        with suppress(ValueError):  # it has expired
            cache.decr(key)
        cache.delete(f"{key}:until")


def _key(*parts: str) -> str:
    name, *rest = parts
    return "login:" + sha256("\0".join([name.strip().lower(), *rest]).encode()).hexdigest()
