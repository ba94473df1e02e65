"""What a user came with: a login session or an API key. A stream asks it again and again while it is read."""

from typing import Protocol

from accounts.models import User


class Credential(Protocol):
    @property
    def user(self) -> User: ...

    def is_valid(self) -> bool:
        """Say whether the user may still be here with it. Asks the database."""
        ...
