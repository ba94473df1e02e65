"""Reads a file's properties: front matter of Markdown, meta tags of web pages, properties of PDF and Office files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from core.text import one_line

from .encodings import decode

MOST = 50
_MAX_CHARACTERS = 500  # of a value
_HEAD_BYTES = 256 * 1024  # contain the meta tags and the front matter
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LINE = re.compile(r"([A-Za-z][\w .-]{0,59}?)[ \t]*:[ \t]+(\S.*)")
# kreuzberg's name -> the usual name
_NAMES = {
    "authors": "author",
    "created_at": "created",
    "modified_at": "modified",
    "created_by": "application",
}


def of_metadata(said: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata that kreuzberg found in a file, without what is nested."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in said.items()}
    return {
        _NAMES.get(name, name): ", ".join(map(str, values))
        for name, values in lists.items()
        if all(isinstance(each, str | int | float) for each in values)
    }


def properties(
    path: Path, media_type: str, said: Mapping[str, str], languages: Sequence[str] = ()
) -> dict[str, str]:
    """Return the properties by their names in lower case.

    said: what the file's reader found.
    """
    found: dict[str, str] = {}
    for name, value in _pairs(path, media_type, said, languages):
        if len(found) < MOST and (text := one_line(value)[:_MAX_CHARACTERS]):
            found.setdefault(name.strip().lower()[:60], text)
    return found


def _pairs(
    path: Path, media_type: str, said: Mapping[str, str], languages: Sequence[str]
) -> Iterator[tuple[str, str]]:
    match media_type:
        case "text/markdown":
            yield from _front_matter(_head(path, languages))
        case "text/html":
            reader = _MetaTags()
            reader.feed(_head(path, languages))
            yield from reader.found
        case _:
            yield from said.items()


def _head(path: Path, languages: Sequence[str]) -> str:
    with path.open("rb") as file:
        return decode(file.read(_HEAD_BYTES), languages, declares=True)


def _front_matter(text: str) -> Iterator[tuple[str, str]]:
    """Yield the simple lines: a value, quoted or not, or a list in brackets. Skip nested values."""
    if found := _FRONT_MATTER.match(text):
        for line in found[1].splitlines():
            if pair := _LINE.fullmatch(line.rstrip()):
                listed = (
                    pair[2].removeprefix("[").removesuffix("]").split(",") if pair[2][0] == "[" else [pair[2]]
                )
                yield pair[1], ", ".join(each.strip().strip("\"'") for each in listed)


class _MetaTags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Skip the section, as browsers do: HTMLParser raises AssertionError for an unknown one."""
        return self.parse_bogus_comment(i, report=False)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            return
        said = dict(attrs)
        name, value = said.get("name") or said.get("property"), said.get("content")
        if name and value:
            self.found.append((name, value))
            # article:published_time is also published_time, DC.creator is creator.
            if len(parts := re.split(r"[:.]", name, maxsplit=1)) == 2:
                self.found.append((parts[1], value))
