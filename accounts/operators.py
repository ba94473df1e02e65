"""Operators: a site keeps one who can log in, whatever happens to accounts.

The database holds the rule: a trigger refuses each change that would leave no such operator (migration
0002_keep_an_operator), so it covers pages, commands and statements alike. It takes an advisory lock, so two
operators cannot demote each other at once.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from core.db.advisory_locks import OPERATORS

from .errors import LastOperator, NameTaken
from .models import User, record

CONSTRAINT = "an_operator_remains"  # the name that the trigger gives its refusal


def working_operators() -> QuerySet[User]:
    """Return the operators who can log in with a password."""
    operators = User.objects.filter(is_active=True, is_superuser=True)
    return operators.exclude(password="").exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)


def is_last_operator(user: User) -> bool:
    """Tell whether this stored user is the only operator who can log in. Call it in a transaction.

    It holds the lock of the trigger until the end of the transaction, so the reply stays true.
    """
    lock_operators()
    return list(working_operators().values_list("pk", flat=True)[:2]) == [user.pk]


def lock_operators() -> None:
    """Wait for transactions that change operators, and let others wait until the end of this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [OPERATORS])


@contextmanager
def keeping_an_operator() -> Iterator[None]:
    """Run changes of users in a transaction. Raise LastOperator if no operator could log in afterwards."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis and diagnosis.constraint_name == CONSTRAINT:
            raise LastOperator from error
        raise


@transaction.atomic
def make_operator(username: str, password: str = "") -> tuple[User, str]:
    """Create this user as an operator, or make the existing one an operator again. Return it and its password.

    Without a password a random one is set. All login sessions of the user end. Raises ValidationError if the
    name or the password is not allowed, and NameTaken if the name differs from another one only in its case.
    """
    lock_operators()  # the command may run twice at once
    user = User.objects.select_for_update().filter(username=username).first()
    if user is None and (other := User.objects.filter(username__iexact=username).first()):
        raise NameTaken(
            f"There is a user {other.username}. Capital letters matter: write the name like that."
        )
    is_new = user is None
    user = user or User(username=username)
    if password:
        validate_password(password, user)
    password = password or secrets.token_urlsafe(12)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.full_clean()
    user.save()
    record(None, "user.operator", user.username, id=str(user.pk), is_new=is_new)
    return user, password
