"""Finds the headings at the beginning of a section's text."""

import re
from collections.abc import Iterator, Sequence

_FIRST_LINE = re.compile(r"(?:#{1,6}[ \t]+)?([^\n]+?)(?:[ \t]+#+)?(?:\n(?:=+|-{2,}))?(?:\n+|$)")


def without_headings(text: str, title_path: Sequence[str]) -> str:
    """Return the text after the headings it begins with, or all of it if it consists of headings only."""
    ends = [next_line for *_, next_line in own_headings(text, title_path)]
    return text[ends[-1] :] or text if ends else text


def own_headings(text: str, title_path: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the level, start, end and start of the next line for each heading that the text begins with."""
    titles, at = list(title_path), 0
    while line := _FIRST_LINE.match(text, at):
        title = " ".join(line[1].split())
        if title not in titles:
            return
        yield titles.index(title) + 1, *line.span(1), line.end()
        at = line.end()
