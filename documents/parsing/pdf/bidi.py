"""Puts the characters of a line with Hebrew or Arabic into the order in which people read them.

A PDF places the glyphs of a line from left to right, as the Unicode bidirectional algorithm (UAX 9) arranged them for
display. This inverts that arrangement. PDFium tries too, but turns "ABC-7" into "-7ABC".
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"), ("«", "»"))
# Bidi_Class -> a letter: right to left, left to right, number, separator of numbers, sign of a number, white space
_CLASSES = {
    "R": "R",
    "AL": "R",
    "L": "L",
    "EN": "N",
    "AN": "N",
    "CS": "S",
    "ES": "E",
    "ET": "T",
    "WS": "W",
    "S": "W",
    "B": "W",
}
# What stays left to right within text from right to left: words with what is between them, and numbers
_LEFT_TO_RIGHT = r"L(?:[WSETO]*[LN])*T*|T*N(?:[SET]*[LN])*T*"
_IN_HEBREW = re.compile(_LEFT_TO_RIGHT)
_IN_ARABIC = re.compile(r"L(?:[WSETO]*[LN])*|N(?:S*[LN])*")  # behind Arabic, 12-15% is arranged as %15-12
_UNCLEAR = 3  # with up to so many times as many letters from the left, the page decides
_RIGHT_TO_LEFT = re.compile(r"R(?:[^L]*R)?")


class Glyph(NamedTuple):
    text: str  # one character, or those of a ligature
    left: float
    right: float


def has_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def is_mostly_right_to_left(text: str) -> bool:
    classes = [unicodedata.bidirectional(character) for character in text]
    return sum(each in ("R", "AL") for each in classes) >= classes.count("L")


def is_mark(character: str) -> bool:
    """Return whether a character is a vowel sign or another mark on a letter."""
    return unicodedata.bidirectional(character) == "NSM"


def logical_order(glyphs: Sequence[Glyph], *, page_is_from_right: bool = True) -> str:
    """Return the text of a line. glyphs: in any order. page_is_from_right: decides where the line itself does not."""
    visual = sorted(glyphs, key=lambda glyph: (glyph.left + glyph.right) / 2)
    classes = "".join(map(_class_of, visual))
    arabic = sum(unicodedata.bidirectional(each.text[0]) == "AL" for each in visual)
    numbers = _IN_ARABIC if 2 * arabic > classes.count("R") else _IN_HEBREW
    right, left = classes.count("R"), classes.count("L")
    if right >= left or (page_is_from_right and _UNCLEAR * right >= left):
        return _with_brackets(_from_right(visual, classes, numbers))
    ordered: list[Glyph] = []
    start = 0
    for run in _RIGHT_TO_LEFT.finditer(classes):
        ordered += visual[start : run.start()]
        ordered += _from_right(visual[run.start() : run.end()], run[0], numbers)
        start = run.end()
    return _with_brackets(ordered + visual[start:])


def _from_right(visual: Sequence[Glyph], classes: str, numbers: re.Pattern[str]) -> list[Glyph]:
    """Return the glyphs from right to left, with words of other scripts and numbers as they are."""
    ordered: list[Glyph] = []
    start = 0
    for run in numbers.finditer(classes):
        ordered += visual[start : run.start()]
        ordered += reversed(visual[run.start() : run.end()])
        start = run.end()
    return [*ordered, *visual[start:]][::-1]


def _with_brackets(glyphs: Sequence[Glyph]) -> str:
    """Return the text with brackets that open and close in turn: PDFium mirrors only some of them."""
    text = "".join(glyph.text for glyph in glyphs)
    for opening, closing in _BRACKETS:
        places = [at for at, character in enumerate(text) if character in (opening, closing)]
        if len(places) % 2 == 0:  # an odd one may belong to "a)"
            characters = list(text)
            for number, at in enumerate(places):
                characters[at] = closing if number % 2 else opening
            text = "".join(characters)
    return text


def _class_of(glyph: Glyph) -> str:
    return _CLASSES.get(unicodedata.bidirectional(glyph.text[0]), "O")
