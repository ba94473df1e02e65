"""Secret references: the database stores where a key is, never the key itself."""

import os
from pathlib import Path

from django.core.exceptions import ValidationError

from .errors import SecretMissing


def validate(reference: str) -> None:
    if reference and not reference.startswith(("env:", "file:")):
        raise ValidationError(
            {"secret_ref": "Write env:NAME or file:/path. The key itself does not belong in the database."}
        )


def resolve(reference: str) -> str | None:
    """Return the secret, or None for an empty reference. Raises SecretMissing."""
    if not reference:
        return None
    source, _, place = reference.partition(":")
    if source == "env":
        value = os.environ.get(place, "")
    else:
        try:
            value = Path(place).read_text()
        except OSError as error:
            raise SecretMissing(f"{reference} cannot be read: {error.strerror}.") from error
    if not value.strip():
        raise SecretMissing(f"{reference} is empty: set it for every process, or change the reference.")
    return value.strip()
