from collections.abc import Callable, Sequence
from dataclasses import dataclass

from documents.parsing.types import ExtractedSection
from inference.types import Vector


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one section: `sections[section].text[start:end] == text`, always."""

    section: int  # position of its section, from 0
    start: int  # characters into the section's text
    end: int
    text: str  # what is found by its words, and quoted
    embedded: str = ""  # what is embedded in its place; "": the text itself


# One vector for each text. A strategy that needs none never calls it.
Embed = Callable[[list[str]], list[Vector]]
# (sections in reading order, size, overlap, embed), both in characters -> chunks in reading order
Chunker = Callable[[Sequence[ExtractedSection], int, int, Embed], list[Chunk]]
