"""What can go wrong with people and programs.

AccountError
└── SignedOut    the session behind a socket or a stream has ended, or its user may not log in any more
"""

from core.errors import DomainError


class AccountError(DomainError): ...


class SignedOut(AccountError):
    def __init__(self) -> None:
        super().__init__("You are signed out. Log in again.")
