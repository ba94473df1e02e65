"""The languages that a workspace can have."""

from collections.abc import Sequence

from inference.language.detection import AUTO
from inference.language.names import LANGUAGES, code_for
from inference.language.stems import STEMMED

__all__ = ["AUTO", "CHOICES", "LANGUAGES", "STEMMED", "choices_of", "code_for", "named"]

CHOICES = {AUTO: "Detect the languages", **LANGUAGES}


def choices_of(languages: Sequence[str]) -> list[tuple[str, str]]:
    """Return the languages that a document in a workspace with these may have, with their names."""
    codes = LANGUAGES if AUTO in languages else languages
    return [(code, LANGUAGES[code]) for code in codes]


def named(code: str) -> str:
    """Return the English name of a language; for AUTO, what it does."""
    return CHOICES.get(code, code)
