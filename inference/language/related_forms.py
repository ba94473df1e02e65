"""Finds forms of a word that no stemmer joins: `kaapit` and `kaapissa`, `Schlüssel` in `Ersatzschlüssel`.

Two stems are related if one begins with the other and adds a short ending, if they differ in one ending of a
long word, or if one is the first or last part of the other, a compound. That is a guess: use it only for a word
that the texts do not have.
"""

from itertools import takewhile

MIN_STEM = 4  # letters that two forms share
_MAX_ENDING = 3
_SHARED = 0.75  # of the longer form, if both have an ending
_MIN_SHARED = 5
MIN_LAST_PART = 5  # letters of the last part of a compound
_MIN_FIRST_PART = 7


def are_related(one: str, other: str) -> bool:
    """Tell whether two different stems may be forms of one word, or one a part of the other."""
    short, long = sorted((one, other), key=len)
    if len(short) < MIN_STEM or not (short.isalpha() and long.isalpha()):
        return False
    shared, ending = _shared(short, long), len(long) - len(short)
    if shared == len(short):
        return ending <= _MAX_ENDING or shared >= _MIN_FIRST_PART
    if shared >= _MIN_SHARED and shared >= _SHARED * len(long):
        return True
    return len(short) >= MIN_LAST_PART and ending >= _MAX_ENDING and long.endswith(short)


def _shared(short: str, long: str) -> int:
    """Return how many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(short, long, strict=False)))
