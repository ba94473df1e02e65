"""Cleans text of people, documents and models, so that PostgreSQL can store it and people can read it."""

import re
import unicodedata
from uuid import UUID

# Control characters and surrogate halves, which PostgreSQL rejects or which are invisible, and the marks that
# change the text direction, so that "gpj.exe" reads as "exe.jpg".
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_JOINERS = "\u200c\u200d"  # invisible, but part of the spelling in Persian and Hindi, and of emoji


def storable(text: str) -> str:
    """Return the text without characters that PostgreSQL cannot store: NUL and surrogate halves."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.encode(errors="replace").decode().replace("\0", "")


def one_line(text: str) -> str:
    """Return the text as a title or name: normalized to NFC, on one line, without invisible characters."""
    shown = (_visible(each) for each in unicodedata.normalize("NFC", text))
    return " ".join("".join(shown).split())


def _visible(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character)[0] != "C":
        return character
    return " " if character.isspace() else ""


def clean_body(text: str) -> str:
    """Return the text with its line breaks, but without control characters and direction marks."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def lines_of(text: str) -> list[str]:
    """Return the non-empty lines of a text."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def uuid_or_none(text: str) -> UUID | None:
    """Return the UUID in a text, or None if the text is not a UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None
