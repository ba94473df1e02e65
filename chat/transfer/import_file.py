"""Reads the conversations of a file: our own export, or ChatGPT's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from chat.errors import ImportRefused

from . import chatgpt, own_format
from .archive import JsonFile, json_files
from .conversations import Conversation, LeftOut
from .export_json import FORMAT, VERSION
from .json_stream import TOO_LARGE, read_outline, read_values, read_whole

MOST_MESSAGES = 20_000  # of one conversation
_UNKNOWN = (
    "The file holds no conversations that Ragsite can read. It reads its own exports in JSON, and ChatGPT's: the ZIP "
    "archive as it is, or its conversations.json."
)
_Read = Callable[[Mapping[str, Any], datetime, LeftOut], Conversation | None]


@dataclass(slots=True)
class Entry:
    """One conversation of a file, or None if it is left out, and what is left out, with its kind."""

    conversation: Conversation | None = None
    left_out: LeftOut = field(default_factory=LeftOut)


def read_file(file: BinaryIO, now: datetime) -> Iterator[Entry]:
    """Yield the entries of a file in their order. Raises ImportRefused where it cannot go on, and for a file without any
    conversation.
    """
    count = 0
    for each in json_files(file):
        for entry in _read_part(each, now):
            count += "unreadable_conversations" not in entry.left_out
            yield entry
    if not count:
        raise ImportRefused(_UNKNOWN)


def _read_part(part: JsonFile, now: datetime) -> Iterator[Entry]:
    with part.open() as file:
        outline = read_outline(file)
    with part.open() as file:
        if outline.is_list:
            yield from (_read(raw, now) for raw in read_values(file))
        elif outline.facts.get("format") == FORMAT:
            _check_version(outline.facts.get("version"))
            yield from (_read(raw, now) for raw in read_values(file, "sessions"))
        elif "mapping" in outline.names:
            yield _read(read_whole(file), now)
        else:
            raise ImportRefused(_UNKNOWN)


def _check_version(version: Any) -> None:
    if type(version) is not int or version < 1:
        raise ImportRefused(_UNKNOWN)
    if version > VERSION:
        raise ImportRefused(
            f"The file has version {version} of Ragsite's format, and this site reads up to version {VERSION}. Ask an "
            "operator to update it."
        )


def _read(raw: Any, now: datetime) -> Entry:
    entry = Entry()
    if raw is TOO_LARGE:
        entry.left_out["large_conversations"] += 1
    elif chatgpt.is_conversation(raw):
        _read_with(chatgpt.read_conversation, raw, len(raw["mapping"]), now, entry)
    elif own_format.is_conversation(raw):
        _read_with(own_format.read_conversation, raw, len(raw["turns"]), now, entry)
    else:
        entry.left_out["unreadable_conversations"] += 1
    return entry


def _read_with(read: _Read, raw: Mapping[str, Any], messages: int, now: datetime, entry: Entry) -> None:
    if messages > MOST_MESSAGES:
        entry.left_out["large_conversations"] += 1
        return
    entry.conversation = read(raw, now, entry.left_out)
    entry.left_out["empty_conversations"] += entry.conversation is None
