"""Reads the files within a file: attachments of a mail, members of an archive.

Each becomes sections under its own name. What is not read is named, with the reason. Limits on the nesting, the number
and the unpacked size of all files together stop archives that unpack to gigabytes.
"""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from core.text import one_line
from documents.errors import NotAccepted, Unreadable
from documents.parsing.media_types import BY_NAME, recognise
from documents.parsing.types import (
    MAX_CHARACTERS,
    NOT_AS,
    ExtractedSection,
    Extraction,
    ParseJob,
    ReadingNote,
)

log = logging.getLogger(__name__)

MAX_DEPTH = 4  # an archive in a mail in an archive in a mail
MAX_FILES = 2000
MAX_BYTES = 300 * 1024**2  # of all files together, unpacked
MAX_FILE_BYTES = 150 * 1024**2  # less than the sandbox lets a process write
LINK = "It is a link to another file."
_MOST_NAMED = 30  # notes about single files on a document's page

Read = Callable[[ParseJob, "Opened"], Extraction]


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be opened, such as one with a password."""

    name: str
    reason: str  # a sentence


@dataclass(slots=True)
class Budget:
    """What may still be unpacked, shared by all containers of one document."""

    files: int = MAX_FILES
    bytes: int = MAX_BYTES
    characters: int = MAX_CHARACTERS
    streamed: int = 0  # bytes that were decompressed so far, from archives that are read as a stream


@dataclass(frozen=True, slots=True)
class Opened:
    """What a reader of containers needs: how to read a file within, and how much is still allowed."""

    job: ParseJob
    read: Read
    alive: Callable[[], None]  # called after each file
    depth: int = 0
    budget: Budget = field(default_factory=Budget)

    @property
    def languages(self) -> tuple[str, ...]:
        return self.job.languages


@dataclass(slots=True)
class Found:
    """The sections of the files within, and what was not read of them."""

    sections: list[ExtractedSection] = field(default_factory=list)
    notes: list[ReadingNote] = field(default_factory=list)
    read: int = 0  # files

    def shown_notes(self) -> tuple[ReadingNote, ...]:
        """Return the notes, with those beyond a page's worth as one."""
        if len(self.notes) <= _MOST_NAMED:
            return tuple(self.notes)
        rest = self.notes[_MOST_NAMED:]
        sentence = f"{len(rest):,} more notes are not shown. They concern the files after these."
        return (*self.notes[:_MOST_NAMED], ReadingNote("left_out", sentence, len(rest)))


@contextmanager
def unforeseen_as_unreadable(media_type: str) -> Iterator[None]:
    """Turn an unforeseen error into Unreadable: one file must not lose the others of its container."""
    try:
        yield
    except (Unreadable, NotAccepted, MemoryError):
        raise
    except Exception as error:
        log.warning("A file could not be read: %s.", media_type, exc_info=True)
        raise Unreadable(NOT_AS.format(kind=BY_NAME[media_type].label)) from error


def read_members(members: Iterable[Member | Refused], opened: Opened) -> Found:
    """Return the text of the files, each under its name."""
    found = Found()
    for member in members:
        try:
            inner = _read(member, opened)
        except (NotAccepted, Unreadable) as error:
            found.notes.append(ReadingNote("left_out", f"{_shown(member.name)} was left out. {error}"))
        else:
            found.read += 1
            found.sections += below(member.name, inner.sections)
            found.notes += [replace(note, text=f"{_shown(member.name)}: {note.text}") for note in inner.notes]
        opened.alive()
    return found


def below(title: str, sections: Iterable[ExtractedSection]) -> Iterator[ExtractedSection]:
    """Yield the sections under one more heading, with which the first one begins."""
    heading = one_line(title)[:200]
    for number, section in enumerate(sections):
        text = section.text if number else f"{heading}\n\n{section.text}"
        yield ExtractedSection(text, (heading, *section.title_path), section.page)


def _read(member: Member | Refused, opened: Opened) -> Extraction:
    """Raises NotAccepted and Unreadable."""
    if isinstance(member, Refused):
        raise Unreadable(member.reason)
    _spend(member, opened)
    media_type = _recognise(member)
    budget, characters = opened.budget, opened.budget.characters
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(member.data)
        job = replace(opened.job, path=file.name, media_type=media_type)
        found = opened.read(job, replace(opened, job=job, depth=opened.depth + 1))
    budget.characters = characters  # without what the files within it took: it contains their text
    if found.character_count > characters:
        raise Unreadable(f"With it, the files have more than {MAX_CHARACTERS:,} characters.")
    budget.characters -= found.character_count
    return found


def _recognise(member: Member) -> str:
    """Return the media type by the content, even if the name contradicts it. Raises NotAccepted."""
    try:
        return recognise(BytesIO(member.data), member.name).name
    except NotAccepted as error:
        try:
            return recognise(BytesIO(member.data), "").name
        except NotAccepted:
            raise error from None


def _spend(member: Member, opened: Opened) -> None:
    """Take the file out of the budget. Raises Unreadable."""
    budget = opened.budget
    budget.files -= 1
    budget.bytes -= len(member.data)
    if opened.depth >= MAX_DEPTH:
        raise Unreadable(f"It is nested more than {MAX_DEPTH} levels deep.")
    if budget.files < 0:
        raise Unreadable(f"There are more than {MAX_FILES:,} files.")
    if budget.bytes < 0:
        raise Unreadable(f"The files unpack to more than {MAX_BYTES // 1024**2} MB.")
    if len(member.data) > MAX_FILE_BYTES:
        raise Unreadable(f"It unpacks to more than {MAX_FILE_BYTES // 1024**2} MB.")


def _shown(name: str) -> str:
    return f"“{one_line(name)[:200]}”"
