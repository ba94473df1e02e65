"""Rewrites the Markdown of one answer so that it can stand in a file with others.

Within a file, footnotes and link definitions are common to all, an open code block swallows what follows, and a viewer
may run HTML. The page shows none of that (chat.pages.render), so this takes it away, and changes nothing in code.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.text import one_line
from inference.citations import CITED

MOST_CHARACTERS = 50_000  # of a text that is parsed; a longer one is plain text, as on the page
DEEPER = 3  # levels by which headings go down, below those of the file

Cite = Callable[
    [Sequence[int]], str
]  # returns the text instead of citations of these numbers; "": leave them

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")
_HEADING = re.compile(r"^((?:[ >]|[-*+] |\d+[.)] )*)(#{1,6})(?=\s|$)")
_SPECIAL = re.compile(
    rf"""
    \\[\s\S]                                                    # an escaped character
    | (?P<code> (?<!`)(?P<ticks>`+)(?!`) [\s\S]*? (?<!`)(?P=ticks)(?!`) )
    | (?P<html> <(?=[A-Za-z/!?]) (?!https?://|mailto:) )
    | (?P<note> \[\^ )                                          # a footnote of the text itself
    | (?P<cited> {CITED.pattern.replace(" ?", "[ ]?")} ) (?!\() (?P<colon> :? )
    | (?P<definition> (?m:^[ >]{{0,12}}) \[ (?=[^\]\n]+\]:) )
    """,
    re.VERBOSE,
)
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def stand_alone(text: str, cite: Cite = lambda numbers: "") -> str:
    """Return the Markdown of one text for a file of several, ending with a line break."""
    if len(text) > MOST_CHARACTERS:
        return fenced(text)
    text = text.replace("\r\n", "\n").rstrip() + "\n"
    tokens = _PARSER.parse(text)
    lines = text.splitlines(keepends=True)
    parts = _parts(tokens, len(lines))
    headings = {each.map[0] for each in tokens if each.type == "heading_open" and each.map}
    written = []
    for part, numbers in groupby(range(len(lines)), key=lambda number: parts[number]):
        found = "".join(_lower(lines[each]) if each in headings else lines[each] for each in numbers)
        written.append(_SPECIAL.sub(lambda match: _rewrite(match, cite), found) if part else found)
    return "".join([*written, *_open_fence(tokens)])


def fenced(text: str) -> str:
    """Return the text as a code block whose fence is longer than any in the text."""
    fence = "`" * max([3, *(len(each) + 1 for each in re.findall("`+", text))])
    return f"{fence}\n{text.rstrip()}\n{fence}\n"


def quoted(text: str) -> str:
    """Return Markdown lines as a block quote. What is open at its end ends with it."""
    return "".join(f"> {line}".rstrip() + "\n" for line in text.rstrip().split("\n"))


def escaped(text: str) -> str:
    """Return a title or name on one line, which Markdown shows as it is."""
    return _PUNCTUATION.sub(r"\\\1", one_line(text))


def _parts(tokens: Sequence[Token], count: int) -> list[int]:
    """Return for each line the number of the paragraph or table row that it belongs to; 0: code, or between them.

    A code span does not reach beyond its paragraph.
    """
    parts = [0] * count
    rows = (each.map for each in tokens if each.type in ("inline", "tr_open") and each.map)
    for number, (start, end) in enumerate(rows, 1):
        parts[start:end] = [number] * (min(end, count) - start)
    return parts


def _lower(line: str) -> str:
    return _HEADING.sub(lambda match: match[1] + "#" * min(6, len(match[2]) + DEEPER), line)


def _rewrite(match: re.Match[str], cite: Cite) -> str:
    if match["cited"]:
        numbers = sorted({int(number) for number in re.findall(r"\d+", match["cited"])})
        return (cite(numbers) or match["cited"]) + ("\\:" if match["colon"] else "")
    if match["html"] or match["note"]:
        return f"\\{match[0]}"
    if match["definition"]:
        return f"{match[0][:-1]}\\["
    return match[0]


def _open_fence(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the end of a code block that has none, as in an answer that was cut at its limit."""
    last = tokens[-1] if tokens else None
    if last and last.type == "fence" and last.map and not last.level:
        has_end = last.content.count("\n") == last.map[1] - last.map[0] - 2
        if not has_end:
            yield f"{last.markup}\n"
