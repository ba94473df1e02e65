"""Language detection."""

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

import regex

from .names import LANGUAGES, current_code

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

AUTO = "auto"  # in place of a language: detect it
UNKNOWN = "und"  # the code of ISO 639 for it
_MAX_CHARACTERS = 2000
# Detection has one language where we offer several, or the other way round.
_DETECTED_AS = {"nb": "no", "sh": "hr", "fil": "tl", "wuu": "zh", "yue": "zh", "arz": "ar", "ary": "ar"}
_NO_LANGUAGE = "zxx"  # formulas, names of files and so on
_LETTER = regex.compile(r"\p{L}")


def detect(text: str, candidates: Collection[str] = ()) -> str | None:
    """Return the language of a text as an ISO 639 code: one of the candidates, or of LANGUAGES if there are none.

    None: the text has no letters or, without candidates, is in no language. A short text is often taken for a
    relative of its language.
    """
    sample = text[:_MAX_CHARACTERS]
    if not _LETTER.search(sample):
        return None
    if len(candidates) == 1:
        return next(iter(candidates))
    ranked = [code for code, _ in _identifier().rank(sample)]
    if not candidates:
        known = (code for code in map(_known_as, ranked) if code in LANGUAGES)
        return None if ranked[0] == _NO_LANGUAGE else next(known)
    wanted = {_known_as(each): each for each in reversed(list(candidates))}
    return next((wanted[code] for code in map(_known_as, ranked) if code in wanted), next(iter(candidates)))


def _known_as(code: str) -> str:
    return _DETECTED_AS.get(code, current_code(code))


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - it imports numpy, 90 ms

    return LanguageIdentifier.from_model_file(MODEL_FILE)
