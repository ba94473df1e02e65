"""The extracted text of a document, page by page, with one stretch of it highlighted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from documents.models import Document, Section
from documents.parsing.blocks import Block, Piece, blocks, pieces
from documents.parsing.headings import own_headings
from documents.parsing.media_types import MARKDOWN

SECTIONS_PER_PAGE = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """The place of a passage, a character range in one section's text. Citations link to it."""

    section: int  # Section.position
    start: int
    end: int

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Stretch | None":
        """Return the stretch of `?section=3&start=120&end=480`, or None if it is not valid."""
        values = [query.get(name, "") for name in ("section", "start", "end")]
        if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in values):
            return None
        section, start, end = map(int, values)
        return cls(section, start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class Heading:
    level: int  # from 1, the outermost
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Shown:
    """A section as the page shows it."""

    position: int
    page: int | None  # only if it differs from the previous section's page
    headings: list[Heading]
    blocks: list[Block]

    def pieces(self) -> Iterator[Piece]:
        for heading in self.headings:
            yield from heading.pieces
        for block in self.blocks:
            yield from block.all_pieces()


@dataclass(frozen=True, slots=True)
class Reading:
    sections: list[Shown]
    page: Page[Section]
    first_mark: Piece | None  # where the page scrolls to
    is_missing: bool  # the text does not contain the requested stretch (any more)


def read(document: Document, stretch: Stretch | None, page_number: str | None = None) -> Reading:
    """Return the requested page of the text, by default the page that holds the stretch."""
    if stretch and not page_number:
        before = document.sections.filter(position__lt=stretch.section).count()
        page_number = str(before // SECTIONS_PER_PAGE + 1)
    page = Paginator(document.sections.all(), SECTIONS_PER_PAGE).get_page(page_number)
    sections = list(page)
    pages = [None, *(section.page for section in sections)]
    shown = [_show(each, stretch, before) for each, before in zip(sections, pages, strict=False)]
    first_mark = next((piece for each in shown for piece in each.pieces() if piece.is_marked), None)
    return Reading(shown, page, first_mark, is_missing=stretch is not None and first_mark is None)


def _holds(section: Section, stretch: Stretch) -> bool:
    return section.position == stretch.section and stretch.end <= len(section.text)


def _show(section: Section, stretch: Stretch | None, page_before: int | None) -> Shown:
    mark = (stretch.start, stretch.end) if stretch and _holds(section, stretch) else (0, 0)
    is_markdown = section.document.media_type == MARKDOWN.name
    headings, rest = [], 0
    for level, start, end, next_line in own_headings(section.text, section.title_path):
        headings.append(Heading(level, pieces(section.text, start, end, mark, is_markdown)))
        rest = next_line
    body = blocks(section.text, rest, mark, is_markdown=is_markdown)
    page = section.page if section.page != page_before else None
    return Shown(section.position, page, headings, body)
