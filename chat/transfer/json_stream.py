"""Reads the conversations of a JSON file one at a time, so that a file of any size takes little memory."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import ijson
from ijson.common import ObjectBuilder

from chat.errors import ImportRefused

MOST_CHARACTERS = 32_000_000  # of one conversation
MOST_VALUES = 2_000_000  # of one conversation
_DEEPEST = 100
_MOST_OF_STRING = 32 * 1024 * 1024  # bytes; the parser holds a whole string
# Python refuses integers of more digits, and the parser's C code then goes on with the exception set.
_MOST_DIGITS = 4_000
_INTEGER = re.compile(rb"[\[:,\s-]\d{%d}" % _MOST_DIGITS)
_QUOTE = re.compile(rb'(?<!\\)"')
_BROKEN = (
    "The file is no valid JSON, so it may be damaged or cut off. Export it again, and import the new file."
)
_STARTS, _ENDS = ("start_map", "start_array"), ("end_map", "end_array")

TOO_LARGE = object()  # instead of a conversation that is over the limits


@dataclass(frozen=True, slots=True)
class Outline:
    """What the top level of a file says: it is a list, or an object with these texts and numbers, and these names."""

    is_list: bool
    facts: dict[str, Any]
    names: frozenset[str]


class _Source:
    """A file for the parser.

    It skips a byte order mark, and refuses a string that is too long for the memory, and an integer for the parser.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._run, self._is_start, self._tail = file, 0, True, b""

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if self._is_start and size:
            data, self._is_start = data.removeprefix(b"\xef\xbb\xbf"), False
        self._run = 0 if _QUOTE.search(data) else self._run + len(data)
        if self._run > _MOST_OF_STRING:
            raise ImportRefused("The file holds a text of more than 32 MB, which no conversation has.")
        if _INTEGER.search(self._tail + data):
            raise ImportRefused("The file holds a number of thousands of digits, which no conversation has.")
        self._tail = data[-_MOST_DIGITS - 1 :]
        return data


def read_outline(file: IO[bytes]) -> Outline:
    """Read the top level, as far as needed to know the format. Raises ImportRefused if it is no JSON."""
    facts: dict[str, Any] = {}
    names, name, depth = set[str](), "", 0
    for event, value in _events(file):
        if depth == 0 and event == "start_array":
            return Outline(True, {}, frozenset())
        if depth == 1 and event == "map_key":
            name = value
            names.add(name)
        elif depth == 1 and event not in (*_STARTS, *_ENDS):
            facts[name] = value
        depth += (event in _STARTS) - (event in _ENDS)
        if {"format", "version"} <= facts.keys() or "mapping" in names:
            break
    return Outline(False, facts, frozenset(names))


def read_values(file: IO[bytes], name: str | None = None) -> Iterator[Any]:
    """Yield the values of the list with this name at the top level; None: of the list that the file is.

    TOO_LARGE stands for a value over the limits. Raises ImportRefused at the place where the file is broken.
    """
    depth, inside, builder = 0, False, None
    level = 1 if name is None else 2  # the depth of the list's values
    key = None
    for event, value in _events(file):
        if event == "map_key" and depth == 1:
            key = value
        if depth == level - 1 and event == "start_array":
            inside = name is None or key == name
        elif depth == level and event == "end_array":
            inside = False
        elif inside and depth == level and event not in _ENDS:
            builder = _Builder()
        if builder:
            builder.add(event, value)
        depth += (event in _STARTS) - (event in _ENDS)
        if depth > _DEEPEST:
            raise ImportRefused("The file is nested too deeply for conversations.")
        if builder and depth == level:
            yield builder.value
            builder = None


def read_whole(file: IO[bytes]) -> Any:
    """Return the value that the file is, or TOO_LARGE."""
    builder, depth = _Builder(), 0
    for event, value in _events(file):
        builder.add(event, value)
        depth += (event in _STARTS) - (event in _ENDS)
        if depth > _DEEPEST:
            raise ImportRefused("The file is nested too deeply for conversations.")
    return builder.value


class _Builder:
    """Builds one value as long as it is within the limits."""

    def __init__(self) -> None:
        self._builder = ObjectBuilder()
        self._characters, self._values = MOST_CHARACTERS, MOST_VALUES

    @property
    def _is_too_large(self) -> bool:
        return self._characters < 0 or self._values < 0

    def add(self, event: str, value: Any) -> None:
        self._values -= 1
        self._characters -= len(value) if isinstance(value, str) else 0
        if self._is_too_large:
            self._builder = ObjectBuilder()  # it frees what was built
        else:
            self._builder.event(event, value)

    @property
    def value(self) -> Any:
        return TOO_LARGE if self._is_too_large else self._builder.value


def _events(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    try:
        yield from ijson.basic_parse(_Source(file))
    except ijson.JSONError as error:
        raise ImportRefused(_BROKEN) from error
