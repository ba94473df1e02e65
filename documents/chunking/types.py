from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one section: `sections[section][start:end] == text`, always."""

    section: int  # position of its section, from 0
    start: int  # characters into the section's text
    end: int
    text: str


# (section texts in reading order, size, overlap), both in characters -> chunks in reading order
Chunker = Callable[[Sequence[str], int, int], list[Chunk]]
