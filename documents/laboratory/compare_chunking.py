"""Compares the chunking strategies on a text, before a workspace commits to one. Changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from accounts.models import User
from core.waiting import wait_for
from documents.chunking import CHUNKERS, Chunk
from documents.models import Document
from documents.parsing import markdown
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedSection
from inference.connect import open_embedder
from inference.errors import InferenceError
from inference.types import EndpointSpec, Vector
from models_registry.errors import EndpointError
from workspaces.engines import engine_for
from workspaces.models import ChunkingStrategy, Workspace

MAX_CHARACTERS = 20_000  # as much as people can compare by eye and a model embeds in seconds


@dataclass(frozen=True, slots=True)
class ComparedChunk:
    """A chunk in a comparison: `repeated` and `own` together are its text."""

    number: int  # from 1
    section: int
    start: int
    end: int
    repeated: str  # the beginning, which the previous chunk contains too
    own: str
    title_path: tuple[str, ...]
    page: int | None
    above: str  # the context that is embedded above the text

    @property
    def length(self) -> int:
        return len(self.repeated) + len(self.own)


@dataclass(frozen=True, slots=True)
class ChunkingResult:
    """The chunks of one strategy. If there are no pieces, `error` says why."""

    strategy: ChunkingStrategy
    pieces: list[ComparedChunk] = field(default_factory=list)
    error: str = ""
    is_stored: bool = False  # the document's own chunks, as they are stored

    @property
    def lengths(self) -> list[int]:
        return [piece.length for piece in self.pieces] or [0]

    @property
    def mean_length(self) -> float:
        return fmean(self.lengths)

    @property
    def shortest(self) -> int:
        return min(self.lengths)

    @property
    def longest(self) -> int:
        return max(self.lengths)

    @property
    def repeated_percent(self) -> float:
        repeated = sum(len(piece.repeated) for piece in self.pieces)
        return 100 * repeated / (sum(self.lengths) or 1)


def sections_of_text(text: str) -> list[ExtractedSection]:
    """Return the sections of a pasted text, read like a Markdown file."""
    return outline(markdown.blocks(text))


def sections_of(document: Document) -> tuple[list[ExtractedSection], bool]:
    """Return the first sections of a document, and whether the rest is left out."""
    kept: list[ExtractedSection] = []
    characters = 0
    for each in document.sections.all().iterator():
        room = MAX_CHARACTERS - characters
        if kept and len(each.text) > room:
            return kept, True
        # Sections stay whole, except the first: a long text without headings is one section.
        kept.append(ExtractedSection(each.text[:room], tuple(each.title_path), each.page))
        if len(each.text) > room:
            return kept, True
        characters += len(each.text)
    return kept, False


def attempts(
    user: User,
    workspace: Workspace,
    sections: Sequence[ExtractedSection],
    strategies: Iterable[ChunkingStrategy],
    size: int,
    overlap: int,
) -> list[ChunkingResult]:
    """Return the chunks of each strategy. If a model fails, the error is in that strategy's result."""
    return [
        _attempt(user, workspace, sections, strategy, size, overlap) for strategy in dict.fromkeys(strategies)
    ]


def load_sections(document: Document, sections: Sequence[ExtractedSection]) -> ChunkingResult:
    """Return the document's own chunks, as far as these sections reach."""
    found = engine_for(document.workspace).chunks(document.pk, MAX_CHARACTERS)
    chunks = [
        Chunk(each.section, each.start, each.end, each.text)
        for each in found
        if each.section < len(sections) and each.start < len(sections[each.section].text)
    ]
    return ChunkingResult(
        ChunkingStrategy(document.workspace.chunking), _pieces(chunks, sections), is_stored=True
    )


def _attempt(
    user: User,
    workspace: Workspace,
    sections: Sequence[ExtractedSection],
    strategy: ChunkingStrategy,
    size: int,
    overlap: int,
) -> ChunkingResult:
    spec = workspace.embedder.spec

    def embed(texts: list[str]) -> list[Vector]:
        return wait_for(_embed, user.pk)(spec(), texts)

    try:
        return ChunkingResult(strategy, _pieces(CHUNKERS[strategy](sections, size, overlap, embed), sections))
    except (InferenceError, EndpointError) as error:
        return ChunkingResult(
            strategy,
            error=f"{workspace.embedder} could not embed the sentences. {error}",
        )


async def _embed(spec: EndpointSpec, texts: list[str]) -> list[Vector]:
    async with open_embedder(spec) as embedder:
        return (await embedder.embed(texts, "passage")).vectors


def _pieces(chunks: Sequence[Chunk], sections: Sequence[ExtractedSection]) -> list[ComparedChunk]:
    return [
        _piece(number, chunk, before, sections[chunk.section])
        for number, (before, chunk) in enumerate(zip([None, *chunks], chunks, strict=False), 1)
    ]


def _piece(number: int, chunk: Chunk, before: Chunk | None, section: ExtractedSection) -> ComparedChunk:
    is_neighbour = before is not None and before.section == chunk.section
    repeated = max(0, before.end - chunk.start) if before and is_neighbour else 0
    return ComparedChunk(
        number,
        chunk.section,
        chunk.start,
        chunk.end,
        chunk.text[:repeated],
        chunk.text[repeated:],
        section.title_path,
        section.page,
        chunk.embedded.removesuffix(chunk.text).strip(),
    )
