"""Finds forms of a word that no stemmer joins: `kaapit` and `kaapissa`, `Schlüssel` in `Ersatzschlüssel`.

Two stems are related if one begins with the other and adds a short ending, if they differ in one ending of a
long word, or if one is the first or last part of the other, a compound. That is a guess: use it only for a word
that the texts do not have. Compare the word before stemming, too: Hungarian `ablakok` becomes `ablak`, but `ablak`
becomes `abl`.
"""

import math
from dataclasses import dataclass
from itertools import takewhile

import regex

_MIN_STEM = 4  # letters that two forms share
_MAX_ENDING = 3
_SHARED = 0.75  # of the longer form, if both have an ending
_MIN_SHARED = 5
_MIN_LAST_PART = 5  # letters of the last part of a compound
_MIN_FIRST_PART = 7
_HEBREW = regex.compile(r"\p{Hebrew}")
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")  # vowels of Indic scripts are marks


def are_related(one: str, other: str) -> bool:
    """Tell whether two different stems may be forms of one word, or one a part of the other."""
    short, long = sorted((one, other), key=len)
    if len(short) < _MIN_STEM or not (_LETTERS.fullmatch(short) and _LETTERS.fullmatch(long)):
        return False
    shared, ending = _shared(short, long), len(long) - len(short)
    if shared == len(short):
        return ending <= _MAX_ENDING or shared >= _MIN_FIRST_PART
    if shared >= _MIN_SHARED and shared >= _SHARED * len(long):
        return True
    is_added = ending >= _MAX_ENDING or bool(
        _HEBREW.match(long)
    )  # Hebrew writes "the" and "and" before a word
    return len(short) >= _MIN_LAST_PART and is_added and long.endswith(short)


@dataclass(frozen=True, slots=True)
class FormsToLookUp:
    """Where the related forms of a stem are in a sorted list of terms, among others that are not related."""

    whole: frozenset[str]  # its beginnings and endings
    begins: str  # letters that the others begin with
    ends: str  # letters that the others end with; "": none do


def forms_to_look_up(stem: str) -> FormsToLookUp | None:
    """Return where to look for the terms for which `are_related` holds; None: there can be none."""
    if len(stem) < _MIN_STEM or not _LETTERS.fullmatch(stem):
        return None
    beginnings = {stem[:length] for length in range(_MIN_STEM, len(stem))}
    endings = {stem[-length:] for length in range(_MIN_LAST_PART, len(stem))}
    return FormsToLookUp(
        whole=frozenset(beginnings | endings),
        begins=stem[: max(_MIN_SHARED, math.ceil(_SHARED * len(stem)))],
        ends=stem if len(stem) >= _MIN_LAST_PART else "",
    )


def _shared(short: str, long: str) -> int:
    """Return how many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(short, long, strict=False)))
