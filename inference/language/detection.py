"""Language detection."""

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

AUTO = "auto"  # in place of a language: detect it
UNKNOWN = "und"  # the code of ISO 639 for it
_MAX_CHARACTERS = 2000
_KNOWN_AS = {
    "nb": "no",
    "he": "he",
    "sh": "hr",
    "fil": "tl",
    "wuu": "zh",
    "yue": "zh",
    "arz": "ar",
    "ary": "ar",
}
_LETTER = regex.compile(r"\p{L}")


def detect(text: str, candidates: Collection[str] = ()) -> str | None:
    """Return the language of a text as an ISO 639 code: one of the candidates, or of all if there are none.

    None: the text has no letters. A short text is often taken for a relative of its language.
    """
    sample = text[:_MAX_CHARACTERS]
    if not _LETTER.search(sample):
        return None
    if len(candidates) == 1:
        return next(iter(candidates))
    ranked = [code for code, _ in _identifier().rank(sample)]
    if not candidates:
        return str(_KNOWN_AS.get(ranked[0], ranked[0]))
    wanted = {_KNOWN_AS.get(each, each): each for each in reversed(list(candidates))}
    return next((wanted[code] for code in ranked if code in wanted), next(iter(candidates)))


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - it imports numpy, 90 ms

    return LanguageIdentifier.from_model_file(MODEL_FILE)
