"""How a user authenticated: by a login session or an API key. Streams check it repeatedly while they run."""

from typing import Protocol

from accounts.models import User


class Credential(Protocol):
    @property
    def user(self) -> User: ...

    def is_valid(self) -> bool:
        """Tell whether this credential still grants access. Queries the database."""
        ...
