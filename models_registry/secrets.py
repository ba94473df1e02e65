"""Secret references: the database stores where a key is, never the key itself.

An endpoint's address can be anyone's, so a reference must not lead to other secrets of the installation: only to
variables and directories that the operator of the machine meant for keys of models.
"""

import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from .errors import SecretMissing

MAX_BYTES = 4096


def validate(reference: str) -> None:
    """Raise ValidationError unless the reference may lead to the key of a model."""
    if reference and not reference.startswith(("env:", "file:")):
        raise ValidationError(
            {"secret_ref": "Write env:NAME or file:/path. The key itself does not belong in the database."}
        )
    if reference and (problem := _find_problem(reference)):
        raise ValidationError({"secret_ref": problem})


def resolve(reference: str) -> str | None:
    """Return the secret, or None for an empty reference. Raises SecretMissing."""
    if not reference:
        return None
    if problem := _find_problem(reference):
        raise SecretMissing(f"{reference}: {problem}")
    source, _, place = reference.partition(":")
    value = os.environ.get(place, "") if source == "env" else _read(reference, place)
    if not value.strip():
        raise SecretMissing(f"{reference} is empty: set it for every process, or change the reference.")
    return value.strip()


def _find_problem(reference: str) -> str:
    """Return why the reference must not be used, or ""."""
    source, _, place = reference.partition(":")
    return _problem_of_variable(place) if source == "env" else _problem_of_file(place)


def _problem_of_variable(name: str) -> str:
    allowed = settings.MODEL_SECRET_VARIABLES
    if _matches(name, allowed) and not _matches(name, settings.PRIVATE_VARIABLES):
        return ""
    return (
        f"Only variables with these names hold keys of models: {', '.join(allowed)}. "
        "RAGSITE_MODEL_SECRET_VARIABLES allows others."
    )


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _problem_of_file(place: str) -> str:
    allowed = settings.MODEL_SECRET_DIRS
    if any(_is_below(place, folder) for folder in allowed) and not _is_private(place):
        return ""
    return (
        f"Only files in these directories hold keys of models: {', '.join(allowed)}. "
        "RAGSITE_MODEL_SECRET_DIRS allows others."
    )


def _is_private(place: str) -> bool:
    """Return whether the file holds another secret: one that a NAME_FILE names, or the pod's own of Kubernetes."""
    named = (value for name, value in os.environ.items() if _is_private_file(name))
    return "kubernetes.io" in Path(place).resolve().parts or any(_is_below(place, each) for each in named)


def _is_private_file(variable: str) -> bool:
    return variable.endswith("_FILE") and _matches(variable.removesuffix("_FILE"), settings.PRIVATE_VARIABLES)


def _is_below(place: str, folder: str) -> bool:
    """Compare real paths: a link must not lead out of the directory."""
    try:
        return Path(place).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, ValueError, RuntimeError):  # such as a NUL, or links in a circle
        return False


def _read(reference: str, place: str) -> str:
    try:
        handle = os.open(Path(place).resolve(), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise SecretMissing(f"{reference} is not a file.")
            value = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretMissing(f"{reference} cannot be read: {error.strerror}.") from error
    if len(value) > MAX_BYTES:
        raise SecretMissing(f"{reference} is larger than {MAX_BYTES:,} bytes, so it is no key.")
    return value.decode(errors="replace")
