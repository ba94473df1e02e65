"""Reads Outlook messages with their attachments. kreuzberg reads the message itself.

The format: [MS-OXMSG], https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-oxmsg/
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import olefile

from documents.errors import Unreadable
from documents.parsing import fast
from documents.parsing.encodings import decoded
from documents.parsing.types import DAMAGED, Extraction

from .members import Member, Opened, Refused, read_members

READS = {"application/vnd.ms-outlook"}

_ATTACHMENT = "__attach_version1.0_"
_NAMES = ("3707", "3704", "3001")  # the long file name, the short one, the name to show
_DATA, _EMBEDDED = "__substg1.0_37010102", "__substg1.0_3701000D"
_UNICODE, _EIGHT_BIT = "001F", "001E"  # types of strings


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    message = fast.read(path, opened.job.media_type)
    try:
        with olefile.OleFileIO(str(path)) as ole:
            attachments = list(_attachments(ole))
    except OSError as error:
        raise Unreadable(DAMAGED) from error
    found = read_members(attachments, opened)
    facts = {"attachments": len(attachments), "attachments read": found.read} if attachments else {}
    sections = (*message.sections, *found.sections)
    return replace(message, sections=sections, facts=facts, notes=found.shown_notes())


def _attachments(ole: "olefile.OleFileIO[Any]") -> Iterator[Member | Refused]:
    storages = {entry[0] for entry in ole.listdir(storages=True) if entry[0].startswith(_ATTACHMENT)}
    for storage in sorted(storages):
        name = _name(ole, storage)
        if ole.exists(f"{storage}/{_DATA}"):
            yield _member(ole, name, f"{storage}/{_DATA}")
        elif ole.exists(f"{storage}/{_EMBEDDED}"):
            yield Refused(name, "It is an Outlook message within this one: open it, save it and add it.")
        else:
            yield Refused(name, "The message only links to it.")


def _member(ole: "olefile.OleFileIO[Any]", name: str, stream: str) -> Member | Refused:
    try:
        return Member(name, ole.openstream(stream).read())
    except OSError:
        return Refused(name, "It is damaged.")


def _name(ole: "olefile.OleFileIO[Any]", storage: str) -> str:
    for name in _NAMES:
        if ole.exists(stream := f"{storage}/__substg1.0_{name}{_UNICODE}"):
            return str(ole.openstream(stream).read().decode("utf-16-le", "replace")).rstrip("\0")
        if ole.exists(stream := f"{storage}/__substg1.0_{name}{_EIGHT_BIT}"):
            return decoded(ole.openstream(stream).read()).text.rstrip("\0")
    return "attachment"
