"""Reads JSON, also line by line (JSON Lines), as its author wrote it, with its escaped characters restored.

Nothing is parsed, so numbers keep their digits, and invalid files are readable too.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from documents.parsing.encodings import decoded
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedBlock, Extraction, ReadingNote

VERSION = "1"
READS = {"application/json"}
_ESCAPE = re.compile(r"\\(?:((?:u[0-9a-fA-F]{4}\\)*u[0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\n", "b": "", "f": "\n"}  # RFC 8259, section 7
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]|[^\s"\[\]{},]+|\s+|.', re.DOTALL)
# A picture or another file as a string: letters of both cases and digits, and no space
_BASE64 = re.compile(r'"(?=[^"]*[a-z])(?=[^"]*[A-Z])(?=[^"]*\d)[A-Za-z0-9+/_\\-]{1000,}={0,2}"')
_DECODER = json.JSONDecoder()
_VALUE = re.compile(r"\s*[\[{]")
_LONG_LINE = 2000  # characters: written by a program for programs


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    found = decoded(path.read_bytes(), languages=languages)
    text, count = _BASE64.subn('"…"', found.text)
    if max(map(len, text.splitlines()), default=0) > _LONG_LINE:
        text = "".join(_indented(text))
    files = f"{count:,} files" if count > 1 else "1 file"
    note = ReadingNote("left_out", f"Left out: {files} that the JSON contains as encoded text.", count)
    notes = (*found.notes, note) if count else found.notes
    sections = tuple(outline([ExtractedBlock(unescaped(text))]))
    return Extraction(sections, None, "json", VERSION, facts=found.facts, notes=notes)


def with_json_unescaped(text: str) -> str:
    """Return a text of any kind: what is JSON in it, the whole or single lines, is without escapes.

    Other lines keep theirs: in C:\\new there is no line end.
    """
    if _is_json(text):
        return unescaped(text)
    lines = text.splitlines(keepends=True)
    return "".join(unescaped(line) if line.startswith("{") and _is_json(line) else line for line in lines)


def _is_json(text: str) -> bool:
    """Return whether a text consists of objects and arrays, one or one behind the other, as in JSON Lines."""
    at = 0
    with suppress(ValueError, RecursionError):
        while start := _VALUE.match(text, at):
            _, at = _DECODER.raw_decode(text, start.end() - 1)
        return at > 0 and not text[at:].strip()
    return False


def unescaped(text: str) -> str:
    """Return the text with the characters that \\uXXXX and the short escapes of JSON stand for."""
    return _ESCAPE.sub(lambda found: _character(found[1] or "", found[2] or ""), text)


def _character(code_units: str, short: str) -> str:
    if short:
        return _SHORT.get(short, short)
    units = bytes.fromhex(code_units.replace("\\", "").replace("u", ""))
    return units.decode("utf-16-be", "replace")  # two of them may form one character


def _indented(text: str) -> Iterator[str]:
    """Yield the tokens with a line for each member."""
    depth = 0
    for token in _TOKEN.findall(text):
        if token in "[{":
            depth += 1
            yield f"{token}\n{' ' * depth}"
        elif token in "]}":
            depth = max(0, depth - 1)
            yield f"\n{' ' * depth}{token}"
        elif token == ",":
            yield f",\n{' ' * depth}"
        elif token.isspace():
            yield "\n" if "\n" in token and not depth else " "
        else:
            yield token
