"""Detects the language of a text."""

from collections.abc import Sequence

from inference.language.detection import AUTO, detect

from .types import ExtractedSection

_SAMPLE_CHARACTERS = 2000


def language_of(sections: Sequence[ExtractedSection], candidates: Sequence[str]) -> str | None:
    """Return the candidate (ISO 639) that the text is most likely written in, or None without candidates.

    candidates: the languages of the workspace; AUTO stands for all.
    """
    if not candidates:
        return None
    if len(candidates) == 1 and AUTO not in candidates:
        return candidates[0]
    sample = "\n".join(section.text[:_SAMPLE_CHARACTERS] for section in sections[:20])
    return detect(sample, [] if AUTO in candidates else candidates)
