"""Rewrites what kreuzberg gets wrong in rich text (RTF 1.9.1): no-break hyphens, powers, deletions and comments."""

import re

from . import superscripts

_CONTROLS = rb"(?:\\[a-z]{1,32}-?\d{0,10} ?){0,30}?"
_DELETED = re.compile(rb"\{" + _CONTROLS + rb"\\deleted\b[^{}]{0,100000}\}")
_RAISED = re.compile(rb"\{" + _CONTROLS + rb"\\(super|sub)\b(?!\d)" + _CONTROLS + rb" ?([^{}\\]{1,200})\}")
_COMMENT = re.compile(rb"\{\\\*\\annotation\b")
_BREAKS = re.compile(rb"[\\{}\s]")


def rewritten(data: bytes) -> tuple[bytes, int]:
    """Return the file, and how many deleted passages were dropped."""
    data, deleted = _DELETED.subn(b"", data)
    data = data.replace(rb"\_", b"-")
    data = _COMMENT.sub(rb"{\\par Comment: ", data)
    return _RAISED.sub(lambda found: _in_line(found, data), data), deleted


def _in_line(found: re.Match[bytes], data: bytes) -> bytes:
    text = found[2].decode("latin-1")
    before = _BREAKS.split(data[max(0, found.start() - 40) : found.start()])[-1].decode("latin-1")
    write = superscripts.raised if found[1] == b"super" else superscripts.lowered
    return write(before, text).encode("latin-1")
