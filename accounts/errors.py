"""Errors of users and their sessions.

AccountError
├── SignedOut       the session behind a socket or a stream has ended, or its user may no longer log in
├── LastOperator    no operator could log in after this change
└── NameTaken       another user has this name
"""

from core.errors import DomainError


class AccountError(DomainError): ...


class SignedOut(AccountError):
    def __init__(self) -> None:
        super().__init__("You are signed out. Log in again.")


class LastOperator(AccountError):
    def __init__(self) -> None:
        super().__init__(
            "This is the last operator who can log in. Make another user an operator with a password first, "
            "so that the site keeps one."
        )


class NameTaken(AccountError): ...
