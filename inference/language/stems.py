"""Stemming: Snowball where it has an algorithm, lists of endings for a few languages without one."""

import threading
from functools import lru_cache
from typing import Any

import regex
import snowballstemmer

_SNOWBALL = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "cs": "czech", "da": "danish",
    "nl": "dutch", "en": "english", "eo": "esperanto", "et": "estonian", "fi": "finnish", "fr": "french",
    "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "ga": "irish",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "no": "norwegian", "fa": "persian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "st": "sesotho", "es": "spanish",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
    # Close relatives, whose endings are the same
    "nb": "norwegian", "nn": "norwegian", "hr": "serbian", "bs": "serbian", "sh": "serbian", "sk": "czech",
    "gl": "portuguese", "ast": "spanish", "af": "dutch", "ms": "indonesian", "nso": "sesotho", "tn": "sesotho",
}  # fmt: skip
# Endings of nouns and adjectives, in the manner of Savoy's light stemmers (JASIST 50(10), 1999)
_ENDINGS = {
    "uk": "ами ями ові еві єві ого ому ими ій ої ою єю ею ах ях ам ям ів їв ів а я у ю о е є и і ї й ь",
    "be": "амі ямі аму яму ага яга ымі імі ой ай эй ей ах ях ам ям оў аў ў а я у ю о е э ы і й ь",
    "bg": "ищата ищата ите ата ята ото ето ове еве ът ят та то те ия и а я о е ъ у й",
    "mk": "иите ите ата ото ето ови еви от та то те иот и а о е",
    "sl": "ama ima ega emu imi ih im om em ov ev ah a e i o u",
    "lv": "iem ajām ajam ām ēm īm ais ajā am ai as us es is os ā a u i ī ē e s š",
}
_H_BEFORE_VOWEL = regex.compile(r"^h(?=[aeiouáéíóú]\w{3})")  # eochracha, na heochracha
# Alternations within a stem, which Snowball leaves
_SYNCOPE = regex.compile(r"(?<=\p{L}{2})([bdfgjkmnpstvx])\1?eln?$"), r"\1l"
_ALTERNATIONS = {
    **dict.fromkeys(
        ("sv", "da", "no", "nb", "nn"), _SYNCOPE
    ),  # nyckel(n), nycklar; nøkkel, nøkler; gammel, gamle
    "fi": (regex.compile(r"(?<=\p{L}{3})im$"), ""),  # avain, avaimet; puhelin, puhelimen
}
_NOUN_LIKE_A_VERB = regex.compile(
    r"\p{L}{2,3}[aei]v[aeio]"
)  # chiavi, motivo: Snowball takes -avi for an imperfect
_MIN_STEM = 3  # letters that a list of endings leaves
_local = threading.local()  # a Snowball stemmer keeps the word in itself, so threads must not share one


@lru_cache(200_000)
def stem(word: str, language: str) -> str:
    """Return the stem of a lower-case word; the word itself, if nothing would be left or there is no stemmer."""
    if language == "ga":
        word = _H_BEFORE_VOWEL.sub("", word)
    if language == "it" and _NOUN_LIKE_A_VERB.fullmatch(word):
        return word[:-1]
    if algorithm := _SNOWBALL.get(language):
        stemmed = str(_stemmer(algorithm).stemWord(word)).strip() or word
        found, instead = _ALTERNATIONS.get(language) or (None, "")
        return found.sub(instead, stemmed) if found else stemmed
    endings = _ENDING_OF.get(language)
    return endings.sub("", word) if endings else word


def _stemmer(algorithm: str) -> Any:
    if not hasattr(_local, algorithm):
        setattr(_local, algorithm, snowballstemmer.stemmer(algorithm))
    return getattr(_local, algorithm)


def _ending(endings: str) -> "regex.Pattern[str]":
    longest_first = sorted(set(endings.split()), key=len, reverse=True)
    return regex.compile(rf"(?<=\w{{{_MIN_STEM}}})(?:{'|'.join(longest_first)})$")


_ENDING_OF = {language: _ending(endings) for language, endings in _ENDINGS.items()}

STEMMED = frozenset(_SNOWBALL) | frozenset(_ENDINGS)
