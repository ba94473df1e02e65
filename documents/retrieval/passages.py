"""Chooses the passages to quote from the reranked candidates, within the token budget.

It merges neighbours, and lets no document crowd out the others. A chunk that overlaps or touches a chosen
passage extends that passage and takes no place of its own. So no text is quoted twice, and `start` and `end`
are exactly the stretch of the section that is quoted.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

from inference.tokens import estimate_tokens
from workspaces.engines import FoundChunk

from .fusion import Candidate
from .types import SearchConfig

# Another document's candidate goes before a crowding one if it has at least this share of its score
OTHERS_WORTH = 0.5
_MAX_WHITE_SPACE = 4  # characters between neighbours that were split at a paragraph


@dataclass(frozen=True)
class ChosenPassage:
    """The chunks of one passage."""

    best: Candidate
    chunks: tuple[FoundChunk, ...]  # in reading order

    @cached_property
    def text(self) -> str:
        text, end = "", self.chunks[0].start
        for chunk in self.chunks:
            # Only white space separates neighbours, and we know only its length.
            text += "\n" * (chunk.start - end) + chunk.text[max(0, end - chunk.start) :]
            end = max(end, chunk.end)
        return text

    @cached_property
    def tokens(self) -> int:  # estimated
        return estimate_tokens(self.text)

    def touches(self, other: FoundChunk) -> bool:
        return any(_are_neighbours(chunk, other) for chunk in self.chunks)

    def as_candidate(self) -> Candidate:
        """Return the ranks and score of the best chunk with the text of all chunks."""
        start, end = self.chunks[0].start, max(chunk.end for chunk in self.chunks)
        return replace(self.best, chunk=replace(self.best.chunk, text=self.text, start=start, end=end))


@dataclass(frozen=True, slots=True)
class PassageChoice:
    chosen: tuple[ChosenPassage, ...]  # best first
    fates: dict[int, str]  # id of a chunk that is left out -> the reason


def choose(
    ordered: Sequence[Candidate], config: SearchConfig, limit: int, token_budget: int
) -> PassageChoice:
    """Return at most `limit` passages that together fit the token budget (estimated), but at least one.

    ordered: best first.
    """
    spread, fates = _spread(ordered, config.most_per_document)
    reason = f"not among the best {limit}"
    chosen: list[ChosenPassage] = []
    for candidate in spread:
        neighbours = [each for each in chosen if config.merges_neighbours and each.touches(candidate.chunk)]
        if len(chosen) == limit and not neighbours:
            break
        joined = _join(candidate, neighbours)
        others = [each for each in chosen if each not in neighbours]
        if chosen and joined.tokens + sum(each.tokens for each in others) > token_budget:
            reason = "over the token budget"
            break
        place = chosen.index(neighbours[0]) if neighbours else len(chosen)
        chosen = [*others[:place], joined, *others[place:]]
    taken = {chunk.chunk_id for each in chosen for chunk in each.chunks}
    left = [each.chunk.chunk_id for each in ordered if each.chunk.chunk_id not in taken]
    return PassageChoice(tuple(chosen), {id: fates.get(id, reason) for id in left})


def _join(candidate: Candidate, neighbours: Sequence[ChosenPassage]) -> ChosenPassage:
    """Return one passage of a candidate and the passages that it touches."""
    chunks = [candidate.chunk, *(chunk for each in neighbours for chunk in each.chunks)]
    chunks.sort(key=lambda chunk: (chunk.start, chunk.end))
    return ChosenPassage(neighbours[0].best if neighbours else candidate, tuple(chunks))


def _are_neighbours(one: FoundChunk, other: FoundChunk) -> bool:
    if (one.document_id, one.section) != (other.document_id, other.section):
        return False
    first, second = sorted((one, other), key=lambda chunk: chunk.start)
    gap = second.start - first.end
    return gap <= 0 or (gap <= _MAX_WHITE_SPACE and second.ordinal == first.ordinal + 1)


def _spread(
    ordered: Sequence[Candidate], most_per_document: int | None
) -> tuple[list[Candidate], dict[int, str]]:
    """Move a document's candidates beyond `most_per_document` behind others that are not much worse.

    Return the new order, and the fate of each candidate that was moved, by chunk id.
    """
    if not most_per_document:
        return list(ordered), {}
    spread: list[Candidate] = []
    seen: Counter[UUID] = Counter()
    waiting: deque[Candidate] = deque()
    waited: dict[int, str] = {}
    for candidate in ordered:
        while waiting and candidate.score < OTHERS_WORTH * waiting[0].score:
            spread.append(waiting.popleft())
        if seen[candidate.chunk.document_id] < most_per_document:
            seen[candidate.chunk.document_id] += 1
            spread.append(candidate)
        else:
            waited[candidate.chunk.chunk_id] = "crowded out"
            waiting.append(candidate)
    return [*spread, *waiting], waited
