"""Password hashing that a crowd at the login page cannot turn into a lack of memory or of connections.

Argon2 takes 100 MB and all cores for each password on purpose. So only a few are hashed at once in a process, and
no database connection is held meanwhile.
"""

import os

from django.contrib.auth.hashers import Argon2PasswordHasher

from core.waiting import Gate, release_connection

WAIT_S = 10.0  # then the attempt is answered with Busy
_MOST_AT_ONCE = 8  # 800 MB


def hashes_at_once(cores: int) -> int:
    """Return how many passwords a process hashes at once: one hash already runs in several threads."""
    return min(max(1, cores // 4), _MOST_AT_ONCE)


def _usable_cores() -> int:
    """Return the number of cores that this process may use; on macOS, which does not tell, of all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_at_once = hashes_at_once(_usable_cores())
_gate = Gate(_at_once, _at_once, WAIT_S)


class BoundedArgon2(Argon2PasswordHasher):
    """Django's Argon2, with the same format. Raises Busy if too many passwords wait already."""

    def encode(self, password: str, salt: str) -> str:
        release_connection()
        with _gate.enter("password"):
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        release_connection()
        with _gate.enter("password"):
            return bool(super().verify(password, encoded))
