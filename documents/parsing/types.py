"""What comes out of a file. Plain frozen data: no I/O, no Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ExtractedBlock:
    """A piece of a document in reading order, before it is grouped into sections."""

    text: str
    level: int | None = None  # 1 is the outermost heading; None: not a heading
    page: int | None = None  # from 1
    title: str = ""  # a heading as it reads in a path, if its text carries marks


@dataclass(frozen=True, slots=True)
class ExtractedSection:
    text: str  # begins with its own heading, if it has one
    title_path: tuple[str, ...] = ()  # headings from the outermost in
    page: int | None = None  # from 1, where the format has pages or slides


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One file to read, as the worker asks the parser's process for it."""

    path: str
    media_type: str  # as media_types.recognise found it
    parser: str  # a value of workspaces.models.Parser
    memory_bytes: int  # of address space
    languages: tuple[str, ...] = ()  # ISO 639-1: what it may be written in, the likeliest first


@dataclass(frozen=True, slots=True)
class Extraction:
    """The text of one file. At least one section holds a word."""

    sections: tuple[ExtractedSection, ...]
    page_count: int | None  # pages or slides; None where the format has none
    parser: str
    parser_version: str
    recognised_pages: int = 0  # whose text was read from pictures
    unread_pages: int = 0  # without text: empty, or pictures that nothing could be read from
    language: str | None = (
        None  # which of the job's languages it is written in; None: none of them, or unsure
    )

    # What the file says of itself, as "author" or what stands above a Markdown text: names in small letters
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def character_count(self) -> int:
        return sum(len(section.text) for section in self.sections)


ENCRYPTED = "It is protected by a password. Save a copy without protection, and add that."
ENCRYPTED_MAIL = "It is an encrypted message. Open it in your mail program, save its text, and add that."
DAMAGED = "It is damaged and could not be read. Open it in the program it was made with, save it again, and add the new file."
NO_TEXT = (
    "There is no text in it. If you see text when you open it, it is a picture: save it as PDF, and add that."
)
ENTITIES = (
    "It defines entities of its own, which can unfold into gigabytes. Save it without them, and add that."
)
NO_TEXT_ON_PAGE = (
    "There is no text on this page for a reader without JavaScript. Leave it out, or add its text by hand."
)
TOO_BIG = "It unpacks to more than can be read at once. Split it, and add the parts."
TOO_LONG = "It holds more than {limit:,} characters. Split it, and add the parts."
TOO_MANY_SCANS = (
    "{pages:,} of its pages are pictures, and at most {limit} are read. Split it, and add the parts."
)
