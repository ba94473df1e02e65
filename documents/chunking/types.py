from collections.abc import Callable, Sequence
from dataclasses import dataclass

from documents.parsing.types import ExtractedSection
from inference.types import Vector


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of one section. Its text is that span, after the header row of the table that it continues."""

    section: int  # position of its section, from 0
    start: int  # offset in the section's text, in characters
    end: int
    text: str  # the text that lexical search matches and passages quote
    embedded: str = ""  # the text to embed instead; "": the text itself


# Returns one vector for each text. A strategy that needs no vectors never calls it.
Embed = Callable[[list[str]], list[Vector]]
# (sections in reading order, size, overlap, embed) -> chunks in reading order; size and overlap in characters
Chunker = Callable[[Sequence[ExtractedSection], int, int, Embed], list[Chunk]]
