"""Text from people, documents and models, in forms that PostgreSQL can store and people can read."""

import re
import unicodedata
from uuid import UUID

# Controls and halves of surrogate pairs, which PostgreSQL refuses or nobody sees, and the marks that turn the
# direction of what follows, so that "gpj.exe" reads as "exe.jpg".
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_JOINERS = "\u200c\u200d"  # invisible, but part of the spelling in Persian, Hindi and of emoji


def storable(text: str) -> str:
    """Return the text without what PostgreSQL cannot store: NUL, and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.encode(errors="replace").decode().replace("\0", "")


def one_line(text: str) -> str:
    """Return the text as a title or a name: in NFC, on one line, without invisible characters."""
    shown = (_visible(each) for each in unicodedata.normalize("NFC", text))
    return " ".join("".join(shown).split())


def _visible(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character)[0] != "C":
        return character
    return " " if character.isspace() else ""


def clean_body(text: str) -> str:
    """Return the text with its lines, as people wrote them, without control and direction marks."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def uuid_or_none(text: str) -> UUID | None:
    """Return the id that a text is, or None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
