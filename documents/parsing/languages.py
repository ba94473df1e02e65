"""Detects the language of a text."""

from collections.abc import Sequence
from typing import Any

import kreuzberg
from kreuzberg import ExtractionConfig, LanguageDetectionConfig

from .types import ExtractedSection

_SAMPLE_CHARACTERS = 20_000
_MIN_CHARACTERS = 20  # detection on fewer is not reliable
# kreuzberg's ISO 639-3 codes -> our ISO 639-1 codes. kreuzberg does not know Basque and Irish.
_CODES = {
    "ara": "ar", "hye": "hy", "cat": "ca", "cmn": "zh", "dan": "da", "nld": "nl", "eng": "en", "est": "et",
    "fin": "fi", "fra": "fr", "deu": "de", "ell": "el", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it",
    "jpn": "ja", "kor": "ko", "lit": "lt", "nep": "ne", "nob": "no", "pol": "pl", "por": "pt", "ron": "ro",
    "rus": "ru", "srp": "sr", "spa": "es", "swe": "sv", "tam": "ta", "tha": "th", "tur": "tr", "ukr": "uk",
    "yid": "yi",
}  # fmt: skip


def language_of(sections: Sequence[ExtractedSection], candidates: Sequence[str]) -> str | None:
    """Return the candidate (ISO 639-1) that the text is written in, or None if it seems to be none of them."""
    if len(candidates) < 2:
        return None
    text, characters = [], 0
    for section in sections:
        text.append(section.text)
        characters += len(section.text)
        if characters > _SAMPLE_CHARACTERS:
            break
    sample = "\n".join(text)[:_SAMPLE_CHARACTERS]
    found = _detect(sample) if len(sample) >= _MIN_CHARACTERS else None
    return found if found in candidates else None


def _detect(text: str) -> str | None:
    detection = LanguageDetectionConfig(enabled=True, detect_multiple=False, min_confidence=0.0)
    settings: Any = ExtractionConfig(use_cache=False, language_detection=detection)
    found = kreuzberg.extract_bytes_sync(text.encode("utf-8", "replace"), "text/plain", settings)
    [code, *_] = found.detected_languages or [""]
    return _CODES.get(code)
