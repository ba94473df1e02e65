"""Rate limit against password guessing: after a few wrong passwords, each further one doubles the wait.

Attempts count per name and address, so that a stranger's guesses do not lock out the real user elsewhere.
"""

import time
from hashlib import sha256

from django.core.cache import cache

FREE_ATTEMPTS = 5
FIRST_WAIT_S = 15
LONGEST_WAIT_S = 15 * 60
FORGOTTEN_AFTER_S = 60 * 60


def seconds_to_wait(username: str, address: str) -> int:
    """Return how many seconds this user has to wait before the next attempt; 0 if none."""
    until: float = cache.get(f"{_key(username, address)}:until", 0.0)
    return max(0, round(until - time.time()))


def note_attempt(username: str, address: str) -> int:
    """Count an attempt before its password is checked, and return the resulting wait in seconds."""
    key = _key(username, address)
    cache.add(key, 0, FORGOTTEN_AFTER_S)
    attempts: int = cache.incr(key)
    if attempts < FREE_ATTEMPTS:
        return 0
    wait: int = min(FIRST_WAIT_S * 2 ** min(attempts - FREE_ATTEMPTS, 10), LONGEST_WAIT_S)
    cache.set(f"{key}:until", time.time() + wait, wait)
    return wait


def forget(username: str, address: str) -> None:
    """Reset the count, because the password was right."""
    key = _key(username, address)
    cache.delete_many([key, f"{key}:until"])


def _key(username: str, address: str) -> str:
    return "login:" + sha256(f"{username.strip().lower()}\0{address}".encode()).hexdigest()
