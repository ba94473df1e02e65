"""Errors of users and their sessions.

AccountError
└── SignedOut    the session behind a socket or a stream has ended, or its user may no longer log in
"""

from core.errors import DomainError


class AccountError(DomainError): ...


class SignedOut(AccountError):
    def __init__(self) -> None:
        super().__init__("You are signed out. Log in again.")
