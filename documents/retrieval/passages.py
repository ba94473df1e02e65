"""Chooses what is quoted: the best candidates, neighbours joined, no document crowding out the others, in the budget.

A chunk that overlaps or touches a passage chosen before it lengthens that passage and takes no place of its own.
So nothing is quoted twice, and `start` and `end` name the very stretch of the section that is quoted.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from inference.tokens import estimate_tokens
from workspaces.engines import FoundChunk

from .fusion import Candidate
from .types import SearchConfig

OTHERS_WORTH = 0.5  # of its score: another document's candidate must have so much to go before a crowding one
CROWDED_OUT, OVER_BUDGET = "crowded out", "over the token budget"
_MOST_WHITE_SPACE = 4  # characters between neighbours that were cut at a paragraph


@dataclass(slots=True)
class _Stretch:
    """Chunks that make one passage."""

    best: Candidate
    chunks: list[FoundChunk]  # in reading order
    tokens: int = field(init=False)  # estimated

    def __post_init__(self) -> None:
        self.chunks.sort(key=lambda chunk: chunk.start)
        self.tokens = estimate_tokens(self.text)

    def touches(self, other: FoundChunk) -> bool:
        return any(_are_neighbours(chunk, other) for chunk in self.chunks)

    @property
    def text(self) -> str:
        text, end = "", self.chunks[0].start
        for chunk in self.chunks:
            # Between neighbours lies white space only, and of that we know just the length.
            text += "\n" * (chunk.start - end) + chunk.text[max(0, end - chunk.start) :]
            end = max(end, chunk.end)
        return text

    def as_candidate(self) -> Candidate:
        if len(self.chunks) == 1:
            return self.best
        start, end = self.chunks[0].start, max(chunk.end for chunk in self.chunks)
        return replace(self.best, chunk=replace(self.best.chunk, text=self.text, start=start, end=end))


@dataclass(frozen=True, slots=True)
class Choice:
    passages: tuple[Candidate, ...]  # best first; of neighbours the best one, with the text of all
    fates: dict[int, str]  # chunk id -> what became of it, in words


def choose(fused: Sequence[Candidate], config: SearchConfig, limit: int, token_budget: int) -> Choice:
    """Return at most `limit` passages that together fit the budget (tokens, estimated), but at least one.

    fused: best first.
    """
    chosen: list[_Stretch] = []
    fates: dict[int, str] = {}
    for candidate in _spread(fused, config.most_per_document, fates):
        beside = [each for each in chosen if config.merges_neighbours and each.touches(candidate.chunk)]
        if len(chosen) == limit and not beside:
            break
        best = beside[0].best if beside else candidate
        joined = _Stretch(best, [candidate.chunk, *(chunk for each in beside for chunk in each.chunks)])
        others = [each for each in chosen if each not in beside]
        if chosen and sum(each.tokens for each in others) + joined.tokens > token_budget:
            fates[candidate.chunk.chunk_id] = OVER_BUDGET
            break
        chosen = [
            joined if beside and each is beside[0] else each for each in chosen if each not in beside[1:]
        ]
        if not beside:
            chosen.append(joined)
    return Choice(tuple(each.as_candidate() for each in chosen), fates | _fates_of(chosen))


def _spread(
    fused: Sequence[Candidate], most_per_document: int | None, fates: dict[int, str]
) -> Iterator[Candidate]:
    """Yield the candidates, those above a document's number behind others that are nearly as good."""
    seen: Counter[UUID] = Counter()
    waiting: deque[Candidate] = deque()
    for candidate in fused:
        while waiting and candidate.score < OTHERS_WORTH * waiting[0].score:
            yield waiting.popleft()
        if most_per_document and seen[candidate.chunk.document_id] >= most_per_document:
            fates[candidate.chunk.chunk_id] = CROWDED_OUT
            waiting.append(candidate)
        else:
            seen[candidate.chunk.document_id] += 1
            yield candidate
    yield from waiting


def _are_neighbours(a: FoundChunk, b: FoundChunk) -> bool:
    if (a.document_id, a.section) != (b.document_id, b.section) or not (_is_verbatim(a) and _is_verbatim(b)):
        return False
    first, second = sorted((a, b), key=lambda chunk: chunk.start)
    gap = second.start - first.end
    return gap <= 0 or (gap <= _MOST_WHITE_SPACE and second.ordinal == first.ordinal + 1)


def _is_verbatim(chunk: FoundChunk) -> bool:
    return len(chunk.text) == chunk.end - chunk.start


def _fates_of(chosen: Sequence[_Stretch]) -> dict[int, str]:
    merged = {
        chunk.chunk_id: f"merged with {number}"
        for number, each in enumerate(chosen, 1)
        for chunk in each.chunks
    }
    return merged | {each.best.chunk.chunk_id: "prompt" for each in chosen}
