"""Decodes bytes of unknown encoding."""

import codecs
import re
from collections.abc import Callable

# UTF-32 first: its little-endian byte order mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)


def _is_kana(character: str) -> bool:
    return "\u3040" <= character <= "\u30ff"


def _is_hangul(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"


# Encodings that decode strictly and that we recognise by their script.
_LEGACY: tuple[tuple[str, Callable[[str], bool], float], ...] = (
    ("shift_jis", _is_kana, 0.15),
    ("euc_jp", _is_kana, 0.15),
    ("euc_kr", _is_hangul, 0.5),
)


def decode(data: bytes, *, declares: bool = False) -> str:
    """Return the text of these bytes. Never fails: bytes that no encoding explains become U+FFFD.

    declares: the format may declare its encoding near the top (HTML, XML).
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if unmarked := _utf16_without_mark(data):
        return data.decode(unmarked, "replace")
    for encoding in ("utf-8", *(_declared_encodings(data) if declares else ())):
        if (text := _strictly(data, encoding)) is not None:
            return text
    return _legacy(data) or data.decode("cp1252", "replace")


def _utf16_without_mark(data: bytes) -> str | None:
    """Recognise mostly Latin text in UTF-16: every other byte is zero."""
    head = data[:4096]
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.8 * half and head[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[::2].count(0) > 0.8 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _declared_encodings(data: bytes) -> tuple[str, ...]:
    found = _DECLARED.search(data[:4096])
    return (found[1].decode("ascii", "replace"),) if found else ()


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _legacy(data: bytes) -> str | None:
    sample = data[:65536]
    for encoding, belongs, share in _LEGACY:
        text = _strictly(sample[: sample.rfind(b"\n") + 1] or sample, encoding)
        letters = [character for character in text or "" if character.isalpha()]
        if letters and sum(map(belongs, letters)) >= share * len(letters):
            return data.decode(encoding, "replace")
    return None
