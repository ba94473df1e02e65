"""The input and output of parsers. Plain frozen data: no I/O, no Django."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ExtractedBlock:
    """A piece of a document in reading order, before it is grouped into sections."""

    text: str
    level: int | None = None  # 1 is the outermost heading; None: not a heading
    page: int | None = None  # from 1
    title: str = ""  # a heading without marks, for paths, if its text contains marks


@dataclass(frozen=True, slots=True)
class ExtractedSection:
    text: str  # begins with its own heading, if it has one
    title_path: tuple[str, ...] = ()  # headings from the outermost in
    page: int | None = None  # from 1, where the format has pages or slides


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One file to read: the worker's request to the parser process."""

    path: str
    media_type: str  # as media_types.recognise returned it
    parser: str  # a value of workspaces.models.Parser, or "web"
    memory_bytes: int  # the limit of the address space
    languages: tuple[str, ...] = ()  # ISO 639-1: the languages it may be in, the likeliest first
    task: Literal["text", "page", "feed"] = "text"  # what to return: its text, or documents.parsing.crawled
    url: str = ""  # of a page or feed, to resolve its links
    content_type: str = ""  # of a feed, as its server says


@dataclass(frozen=True, slots=True)
class ReadingNote:
    """One part of a file that was left out, that may be wrong, or that was read from an unexpected place."""

    kind: Literal["left_out", "warning", "read"]
    text: str  # a plain sentence: "2 hidden sheets were left out: Drafts, Old."
    count: int = 1  # how many parts it speaks of


Facts = Mapping[str, int | str]  # a name in lower case, such as "sheets" or "encoding" -> a number or words


@dataclass(frozen=True, slots=True)
class Extraction:
    """The text of one file. At least one section contains a word."""

    sections: tuple[ExtractedSection, ...]
    page_count: int | None  # pages or slides; None where the format has none
    parser: str
    parser_version: str
    recognised_pages: int = 0  # pages whose text comes from OCR
    unread_pages: int = 0  # pages without text: empty, or pictures in which OCR found nothing
    language: str | None = (
        None  # the one of the job's languages that it is written in; None: none of them, or unsure
    )

    # The file's properties, such as "author", or its front matter: names in lower case
    properties: Mapping[str, str] = field(default_factory=dict)

    # What was read and what was not: the page of the document shows it
    facts: Facts = field(default_factory=dict)
    notes: tuple[ReadingNote, ...] = ()

    @property
    def character_count(self) -> int:
        return sum(len(section.text) for section in self.sections)

    def report(self) -> dict[str, Any]:
        """Return what was read and what was not, as the document stores it: JSON."""
        counts = {
            "pages": self.page_count,
            "pages recognised": self.recognised_pages,
            "pages without text": self.unread_pages,
        }
        return {
            "parser": f"{self.parser} {self.parser_version}",
            "facts": {name: count for name, count in counts.items() if count} | dict(self.facts),
            "notes": [asdict(note) for note in self.notes],
        }


MAX_CHARACTERS = 20_000_000  # of one file, with all that it contains

ENCRYPTED = "The file is protected by a password. Save a copy without a password and add that."
ENCRYPTED_MAIL = "This is an encrypted message. Open it in your mail program, save its text and add that."
DAMAGED = (
    "The file is damaged and could not be read. Open it in the program that made it, save it again and add the new "
    "file."
)
NOT_AS = (
    "The file could not be read as {kind}: it is damaged or unusual. Open it in the program that made it, save it again "
    "and add the new file."
)
NO_TEXT = "The file contains no text. If you see text when you open it, that is a picture: save it as PDF and add that."
ENTITIES = "The file defines XML entities of its own, which can expand to gigabytes. Save it without them and add that."
NO_TEXT_ON_PAGE = "This page has no text without JavaScript. Leave it out, or add its text by hand."
TOO_BIG = "The file unpacks to more than can be read at once. Split it and add the parts."
TOO_LONG = "The file has more than {limit:,} characters. Split it and add the parts."
TOO_MANY_SCANS = (
    "{pages:,} pages of the file are pictures; at most {limit} can be read. Split it and add the parts."
)
