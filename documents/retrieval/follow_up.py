"""Follow-ups: decides how much the search that includes the previous question counts.

A follow-up such as "And until when?" needs the previous question, but a change of subject must not find the
old subject. So two searches run: one of the question alone, and one of the previous question and this one.
The second one counts more than the first if what they return shows that the two questions belong together, and
little otherwise. A question of many words names its subject, so it is searched alone.
docs/adr/0029-follow-ups.md has the measurements.
"""

from collections.abc import Sequence
from typing import Protocol

import regex

from inference.language.analyzer import terms
from inference.language.detection import AUTO, UNKNOWN, detect
from inference.language.letters import NO_SPACES
from workspaces.engines import FoundChunk, plain_query

from .fusion import Candidate

_PAIR = regex.compile(f"[{NO_SPACES}]")
FOUND_ALONE = 0.15  # the fused score from which the question alone has found a passage
ADDED_WORDS = 1.2  # how many times the best BM25 score must grow with the words of the previous question
STANDS_ALONE = 8  # own words from which a question names its subject: the previous one is not searched
RELATED, UNRELATED = 0.55, 0.2  # the weight of the search that includes the previous question


class Results(Protocol):
    """The results of one query."""

    fused: list[Candidate]
    lexical: list[FoundChunk]


def with_previous(question: str, previous: str) -> str:
    """Return the query that includes the previous question, whose quotes and minus signs no longer apply."""
    return f"{plain_query(previous)}\n{question}"


def count_own_words(question: str, languages: Sequence[str]) -> float:
    """Return how many different words say what the question is about: 0 for "And until when?".

    Stop words do not count, and a pair of characters of a script without spaces is half a word.
    languages: those of the workspace.
    """
    language = detect(question, [each for each in languages if each != AUTO]) or UNKNOWN
    own = {term.word for term in terms(question, language) if not (term.is_stop or term.is_extra)}
    return sum(0.5 if _PAIR.search(word) else 1 for word in own)


def are_related(alone: Results, together: Results) -> bool:
    """Return whether the question belongs to the previous one.

    The question alone also finds the best passage of both, and some passage has the words of both questions:
    it scores clearly higher than the best passage for the words of this one.
    """
    if not together.fused:
        return False
    best = together.fused[0].chunk.chunk_id
    is_found_alone = any(each.chunk.chunk_id == best and each.score > FOUND_ALONE for each in alone.fused)
    return is_found_alone and _best_score(together.lexical) >= ADDED_WORDS * _best_score(alone.lexical)


def _best_score(found: Sequence[FoundChunk]) -> float:
    return found[0].score if found else 0.0
