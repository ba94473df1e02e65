"""Splits the text of a passage into quotable units: sentences, list items, table rows, lines of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["sentence", "row", "code", "heading"]

MAX_CHARACTERS = 600  # a longer stretch without a full stop is split at a space

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"\s*#{1,6}\s+(?P<text>.*?)\s*#*\s*$")
_ITEM = re.compile(r"\s*([-*+•‣◦▪·–]|\(?(\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")
_ROW = re.compile(r"\s*\||.*\S(\t| \| )\S")
_RULE = re.compile(r"[\s|:=_*+-]+$")  # below a heading, or between the head and body of a table
_CODE = re.compile(
    r"(\t| {4,})\S.*[;{}()=]|\s*(def|class|import|from|func|fn|pub|let|const|var|return|public|#include)\b.*[(;:{=]"
    r"|\s*(\$|>>>)\s\S|\s*[})\]]+[;,]?\s*$|.*[;{]\s*$"
)
# A sentence ends at .!?… and closing quotes before a space, and at CJK punctuation without a space.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡]+[」』”’）]*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘«])(?:"
    r"[A-ZÀ-ÞА-Я]|(?:\w\.)+\w|"  # an initial; e.g, z.B, U.S
    r"mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|cf|approx|dept|est|fig|figs|eq|eqs|sec|ch|vol|no|nos|pp?|ed|eds|al|inc|ltd"
    r"|corp|co|gen|col|lt|capt|rev|hon|gov|sen|rep|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|bzw|ca|usw|vgl|nr|str|tel|zzgl|inkl|ggf|evtl|geb|gest|abs|art|bspw|sog|mio|mrd|hl|jh"
    r"|pág|págs|núm|sra|srta|ud|uds|av|c|m|mme|mlle|env|janv|févr|juill|dott|sig|ecc"
    r")\.$",
    re.IGNORECASE,
)
_ENDS_A_SENTENCE = re.compile(r"[.!?…:;。！？｡][\"'”’»)\]」』）]*$")
_MAX_HEADING_WORDS = 10


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str  # verbatim, except for white space, list marks and the outer bars of a table
    kind: Kind = "sentence"
    heading: str = ""  # the last heading above it


def split(text: str) -> list[Sentence]:
    """Return the sentences of a text in reading order, including headings."""
    found: list[Sentence] = []
    heading = ""
    for kind, stretch in _stretches(text):
        if kind == "heading":
            heading = stretch
        pieces = split_prose(stretch) if kind == "sentence" else [stretch]
        found += [Sentence(piece, kind, heading) for whole in pieces for piece in _cut_long(whole)]
    return found


def split_prose(text: str) -> list[str]:
    """Return the sentences of one paragraph."""
    sentences, start = [], 0
    for end in _END.finditer(text):
        if not _goes_on(text, start, end):
            sentences.append(text[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in [*sentences, text[start:].strip()] if sentence]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    if end.group()[0] in "。！？｡":
        return False
    after = text[end.end() :].lstrip()
    if after[:1].islower():  # "approx. five", "‘Really?’ she said"
        return True
    before = text[start : end.start() + 1]
    # Some languages write ordinals as a number with a full stop: "am 3. Oktober".
    return end.group() == "." and bool(_ABBREVIATION.search(before) or re.search(r"(^|\s)\d{1,2}\.$", before))


def _stretches(text: str) -> Iterator[tuple[Kind, str]]:
    """Yield paragraphs, list items, rows, lines of code and headings, each on one line."""
    for is_blank, block in groupby(_lines(text), key=lambda line: not line[1].strip()):
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


def _block(lines: list[tuple[bool, str]]) -> Iterator[tuple[Kind, str]]:
    paragraph: list[str] = []
    for number, (is_code, line) in enumerate(lines):
        kind = _kind(line, is_code)
        is_item = kind == "sentence" and bool(_ITEM.match(line))
        if paragraph and (kind != "sentence" or is_item):
            yield _paragraph(paragraph, is_alone=False)
            paragraph = []
        if kind == "sentence":
            # A short first line that does not end like a sentence is a heading that lost its mark.
            if number == 0 and len(lines) > 1 and not is_item and _is_headline(line, lines[1][1]):
                yield "heading", line.strip()
            else:
                paragraph.append(_without_mark(line))
        elif not _RULE.match(line):
            is_table_head = kind == "row" and any(
                _RULE.match(after) for _, after in lines[number + 1 : number + 2]
            )
            yield "heading" if is_table_head else kind, _tidy(line, kind)
    if paragraph:
        yield _paragraph(
            paragraph, is_alone=len(paragraph) == len(lines) == 1 and not _ITEM.match(lines[0][1])
        )


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


def _paragraph(lines: list[str], is_alone: bool) -> tuple[Kind, str]:
    text = " ".join(lines)
    return ("heading" if is_alone and _is_short(text) else "sentence"), text


def _is_headline(line: str, following: str) -> bool:
    return _is_short(line) and not following.lstrip()[:1].islower()


def _is_short(line: str) -> bool:
    words = line.split()
    is_fact = ":" in line or (len(words) == 1 and len(line) > 20)  # "Opening hours: 9 to 5"; CJK text
    return len(words) <= _MAX_HEADING_WORDS and not is_fact and not _ENDS_A_SENTENCE.search(line.strip())


def _cut_long(text: str) -> Iterator[str]:
    while len(text) > MAX_CHARACTERS:
        cut = text.rfind(" ", MAX_CHARACTERS // 2, MAX_CHARACTERS)
        cut = cut if cut > 0 else MAX_CHARACTERS
        yield text[:cut].strip()
        text = text[cut:].strip()
    yield text
