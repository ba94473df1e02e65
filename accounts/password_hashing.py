"""Password hashing that a crowd at the login page cannot turn into a lack of memory or of connections.

Argon2 takes 100 MB and all cores for each password on purpose. So only a few are hashed at once in a process, and
no database connection is held meanwhile.
"""

import os

from django.contrib.auth.hashers import Argon2PasswordHasher

from core.waiting import Gate, release_connection

AT_ONCE = max(1, (os.cpu_count() or 1) // 4)  # one hash already runs in several threads
WAIT_S = 10.0

_gate = Gate(AT_ONCE, AT_ONCE, WAIT_S)


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
