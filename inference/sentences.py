"""Splits the text of a passage into quotable units: sentences, list items, table rows, lines of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from textwrap import dedent
from typing import Literal

from .language.sentence_ends import ends_like_a_sentence, sentence_ends

Kind = Literal["sentence", "row", "code", "answer", "heading"]

MAX_CHARACTERS = 600  # a longer stretch without a full stop is split at a space
_MAX_CODE_CHARACTERS = 1500  # a longer block is split into its lines

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"\s*#{1,6}\s+(?P<text>.*?)\s*#*\s*$")
_ITEM = re.compile(r"\s*([-*+•‣◦▪·–]|\(?(\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")
_ROW = re.compile(r"\s*\||.*\S(\t| \| )\S")
_RULE = re.compile(r"[\s|:=_*+-]+$")  # below a heading, or between the head and body of a table
_CODE = re.compile(
    r"(\t| {4,})\S.*[;{}()=]|\s*(def|class|import|from|func|fn|pub|let|const|var|return|public|#include)\b.*[(;:{=]"
    r"|\s*(\$|>>>)\s\S|\s*[})\]]+[;,]?\s*$|.*[;{]\s*$"
)
_MAX_HEADING_WORDS = 10
_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)|<(?=https?://)([^<>\s]+)>")


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str  # verbatim, except for white space, list marks and the outer bars of a table
    kind: Kind = "sentence"
    heading: str = ""  # the last heading above it


def split(text: str) -> list[Sentence]:
    """Return the sentences of a text in reading order, including headings."""
    found: list[Sentence] = []
    heading = ""
    for kind, stretch in _with_sure_headings(list(_stretches(text))):
        if kind == "heading":
            heading = stretch
        pieces = (
            split_prose(stretch)
            if kind == "sentence"
            else _code_blocks(stretch)
            if kind == "code"
            else [stretch]
        )
        found += [Sentence(piece, kind, heading) for whole in pieces for piece in _cut_long(whole, kind)]
    return found


def without_targets(markdown: str) -> str:
    """Return the text with the words of each link and picture in its place. A bare address stays."""
    return _LINK.sub(r"\1\2", markdown)


def _with_sure_headings(
    stretches: list[tuple[Kind | Literal["headline"], str]],
) -> Iterator[tuple[Kind, str]]:
    """Yield the stretches: a headline is a heading only above prose, rows or code. Else it is a sentence."""
    for (kind, text), (following, below) in pairwise([*stretches, ("headline", "")]):
        if kind == "headline":
            is_above = following in ("row", "code") or (
                following == "sentence" and ends_like_a_sentence(below)
            )
            yield "heading" if is_above else "sentence", text
        else:
            yield kind, text


def _code_blocks(code: str) -> list[str]:
    return [code] if len(code) <= _MAX_CODE_CHARACTERS else code.splitlines()


def split_prose(text: str) -> list[str]:
    """Return the sentences of one paragraph."""
    starts = [0, *sentence_ends(text)]
    pieces = (text[start:end].strip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True))
    return [sentence for sentence in pieces if sentence]


def _stretches(text: str) -> Iterator[tuple[Kind | Literal["headline"], str]]:
    """Yield paragraphs, list items, rows and headings, each on one line, and blocks of code.

    A headline has no mark of a heading; its looks suggest one.
    """
    for is_blank, block in groupby(_lines(text), key=lambda line: not line[0] and not line[1].strip()):
        if not is_blank:
            yield from _block(list(block))


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    """Yield each line, and whether it is inside a fenced code block."""
    is_code = False
    for line in text.splitlines():
        if _FENCE.match(line):
            is_code = not is_code
            yield False, ""
        else:
            yield is_code, line


def _block(lines: list[tuple[bool, str]]) -> Iterator[tuple[Kind | Literal["headline"], str]]:
    paragraph: list[str] = []
    code: list[str] = []
    for number, (is_code, line) in enumerate(lines):
        kind = _kind(line, is_code)
        is_item = kind == "sentence" and bool(_ITEM.match(line))
        if paragraph and (kind != "sentence" or is_item):
            yield "sentence", " ".join(paragraph)
            paragraph = []
        if code and kind != "code":
            yield "code", _dedent(code)
            code = []
        if kind == "code":
            code.append(line)
        elif kind == "sentence":
            # A short first line that does not end like a sentence is a heading that lost its mark.
            if number == 0 and len(lines) > 1 and not is_item and _is_headline(line, lines[1][1]):
                yield "headline", line.strip()
            else:
                paragraph.append(_without_mark(line))
        elif not _RULE.match(line):
            is_table_head = kind == "row" and any(
                _RULE.match(after) for _, after in lines[number + 1 : number + 2]
            )
            yield "heading" if is_table_head else kind, _tidy(line, kind)
    if code:
        yield "code", _dedent(code)
    if paragraph:
        is_alone = len(paragraph) == len(lines) == 1 and not _ITEM.match(lines[0][1])
        text = " ".join(paragraph)
        yield "headline" if is_alone and _is_short(text) else "sentence", text


def _dedent(code: list[str]) -> str:
    return dedent("\n".join(line.rstrip() for line in code)).strip("\n")


def _without_mark(line: str) -> str:
    item = _ITEM.match(line)
    return line[item.end() if item else 0 :].strip()


def _kind(line: str, is_code: bool) -> Kind:
    if is_code:
        return "code"
    if _HEADING.match(line):
        return "heading"
    if _RULE.match(line) or _ROW.match(line):
        return "row"
    return "code" if _CODE.match(line) else "sentence"


def _tidy(line: str, kind: Kind) -> str:
    if kind == "heading" and (heading := _HEADING.match(line)):
        return heading["text"]
    if kind == "row":
        return re.sub(r"\s*(\||\t)\s*", " | ", line.strip().strip("|")).strip()
    return line.strip()


def _is_headline(line: str, following: str) -> bool:
    return _is_short(line) and not following.lstrip()[:1].islower()


def _is_short(line: str) -> bool:
    words = line.split()
    is_fact = ":" in line or (len(words) == 1 and len(line) > 20)  # "Opening hours: 9 to 5"; CJK text
    return len(words) <= _MAX_HEADING_WORDS and not is_fact and not ends_like_a_sentence(line)


def _cut_long(text: str, kind: Kind) -> Iterator[str]:
    longest = _MAX_CODE_CHARACTERS if kind == "code" else MAX_CHARACTERS
    while len(text) > longest:
        cut = text.rfind(" ", longest // 2, longest)
        cut = cut if cut > 0 else longest
        yield text[:cut].strip()
        text = text[cut:].strip()
    yield text
