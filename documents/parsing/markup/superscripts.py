"""Writes subscripts and superscripts as plain text, so that no number becomes another one: 10^6, not 106."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal

Height = Literal["", "sub", "super"]

# Ordinals and abbreviations, in which the height means nothing: 1st, 2nd, 3e, 1er, 2ème, 4º, No, Mme, TM
_PLAIN = re.compile(
    r"(?:st|nd|rd|th|[eèé]me|er|re|nde?|d|[eoaºª]|os|as|ers|n[aeo]|t[aeo]|mo|mm?e|lle|gr|r|tm|sm|®|©|™|\W*)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\[.*\]|\(.*\)|[*†‡§¶#]+")
_SIMPLE = re.compile(r"[+\-−–]?[\w.,]+|[+\-−–]", re.UNICODE)
_NOTE = re.compile(r"\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*")


def join(runs: Iterable[tuple[str, Height]]) -> str:
    """Return the text of consecutive runs."""
    return "".join(_pieces(runs))


def _pieces(runs: Iterable[tuple[str, Height]]) -> Iterator[str]:
    before, was = "", ""
    for height, group in groupby(runs, key=lambda run: run[1]):
        text = "".join(part for part, _ in group)
        if height:
            text = raised(before, text) if height == "super" else lowered(before, text)
        elif was and before[-1:].isdigit() and text[:1].isdigit():
            text = f" {text}"  # log_2 8, not log28
        before, was = text or before, height
        yield text


def raised(before: str, text: str) -> str:
    """Return a superscript as it follows the text before it: a power, a note's number or an ordinal."""
    words = text.strip()
    if not words or _REFERENCE.fullmatch(words):
        return text
    last = before[-1:]
    if not last.strip() or _PLAIN.fullmatch(words):
        return text
    if _NOTE.fullmatch(words) and (last in ".,;:!?\"'”’»)" or _is_long_word(before)):
        return f"[{words}]"  # a note's number behind a word or a sentence
    return _marked("^", text)


def lowered(before: str, text: str) -> str:
    """Return a subscript: H2O as it is, but 101_2, where digits would join."""
    return _marked("_", text) if before[-1:].isdigit() and text[:1].isdigit() else text


def _is_long_word(before: str) -> bool:
    """Return whether a word stands before it that is no unit or variable: those are short."""
    found = re.search(r"[^\W\d_]+$", before)
    return found is not None and len(found[0]) > 3


def _marked(sign: str, text: str) -> str:
    words = text.strip()
    return f"{sign}{words}" if _SIMPLE.fullmatch(words) else f"{sign}({words})"
