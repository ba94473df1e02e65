"""The words that a misspelt one may stand for: one letter left out, added, replaced, or two swapped.

This is the neighbourhood at Damerau-Levenshtein distance 1 (Damerau, CACM 7(3), 1964), which has four of five typing
errors. The index looks all of them up at once, so it needs neither a list of words nor an extension of PostgreSQL.
"""

import itertools

import regex

MIN_LETTERS = 4  # of a word to correct: nearly every shorter one is another word
MAX_LETTERS = 24
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
# The letters to replace and to add, by the script of a word. Terms without accents are in the index, too.
_ALPHABETS = {
    r"\p{Latin}": "abcdefghijklmnopqrstuvwxyz",
    r"\p{Cyrillic}": "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґў",
    r"\p{Greek}": "αβγδεζηθικλμνξοπρστυφχψως",
    r"\p{Hebrew}": "אבגדהוזחטיכלמנסעפצקרשתםןץףך",
    r"\p{Arabic}": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءةىپچژگ",
    r"\p{Armenian}": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    r"\p{Georgian}": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    r"\p{Devanagari}": "".join(map(chr, range(0x0905, 0x0950))),
}


def nearby_words(word: str) -> set[str]:
    """Return the words that differ from a lower-case word by one typing error; empty: it is not corrected."""
    if not MIN_LETTERS <= len(word) <= MAX_LETTERS or not _LETTERS.fullmatch(word):
        return set()
    alphabet = next((each for script, each in _ALPHABETS.items() if regex.match(script, word)), "")
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    shorter = {before + after[1:] for before, after in cuts if after}
    swapped = {before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1}
    pairs = list(itertools.product(cuts, alphabet))
    replaced = {before + letter + after[1:] for (before, after), letter in pairs if after}
    longer = {before + letter + after for (before, after), letter in pairs}
    return (shorter | swapped | replaced | longer) - {word}


def is_nearby(word: str, other: str) -> bool:
    return other in nearby_words(word)
