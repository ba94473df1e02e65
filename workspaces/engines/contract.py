"""What an engine promises: where a workspace's chunks live, and how they are found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from inference.types import Vector
from workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk on its way in."""

    ordinal: int  # from 0, in reading order, unique within its document
    text: str
    content_hash: bytes  # SHA-256 of what was embedded: the embedder's identity and the text
    section: int  # Section.position
    start: int  # characters into the section's text
    end: int
    title_path: tuple[str, ...] = ()
    page: int | None = None
    embedded: str = ""  # the text its vector stands for, where that is another one


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk on its way out, with the raw score of the leg that found it.

    dense: `score` is a similarity, higher is nearer; cosine: 1 - distance, -1 to 1.
    lexical: `score` is the engine's rank, higher is better. The two are never compared.
    """

    chunk_id: int
    document_id: UUID
    ordinal: int
    text: str
    section: int
    start: int
    end: int
    title_path: tuple[str, ...]
    page: int | None
    score: float
    coverage: float = 0  # lexical: the share of the question's words that it has, by their rarity; 0 to 1


@dataclass(frozen=True, slots=True)
class FoundDocument:
    document_id: UUID
    score: float  # similarity of the vector that stands for all of it, as `FoundChunk.score` of a dense leg


Value = str | float | bool
"""Of a document's metadata, in the form that orders it: a date is 2024-01-31, a version has its parts padded."""


@dataclass(frozen=True, slots=True)
class IndexedMetadata:
    """What is known of a document beside its text."""

    metadata: Mapping[str, Value] = field(default_factory=dict)
    access_level: int = 0  # who may see it: everyone whose own level is at least this


NO_METADATA = IndexedMetadata()


@dataclass(frozen=True, slots=True)
class Condition:
    """One demand on a document's metadata. Where nothing is known of a document, only `is_not` holds."""

    field: str  # the name of a declared field
    test: Literal["is", "is_not", "at_least", "at_most"]
    values: tuple[Value, ...]  # "is": any of these; "is_not": none of them; the others have one


@dataclass(frozen=True, slots=True)
class Where:
    """Which documents may be found: all that hold together."""

    documents: tuple[UUID, ...] | None = None  # None: all
    conditions: tuple[Condition, ...] = ()
    access_level: int | None = None  # the highest the asker may see; None: no bound


ANYWHERE = Where()


class Engine(Protocol):
    """The chunks of one index of one workspace. Every method runs in the caller's transaction, if there is one.

    `publish`, `describe` and `forget` raise `Workspace.corpus_version` of the index that answers, with what they do.
    """

    def __init__(self, workspace: Workspace) -> None: ...

    def create(self) -> None:
        """Make the place for the chunks. Called in the transaction that makes the workspace."""

    def drop(self) -> None: ...

    def embedded_hashes(self, document_id: UUID) -> set[bytes]:
        """Return the content hashes of this document that have a vector already, staged or live."""

    def embeddings(self, document_id: UUID, hashes: Collection[bytes]) -> dict[bytes, Vector]:
        """Return the vectors that this document has for these content hashes already, staged or live."""

    def stage(self, document_id: UUID, chunks: Sequence[NewChunk], vectors: Sequence[Vector | None]) -> None:
        """Put a batch where no search sees it. A vector of None is copied from a chunk with the same hash,
        as it was before this call.

        Staging an ordinal again replaces it. Raises WrongDimensions.
        """

    def publish(
        self,
        document_id: UUID,
        chunk_count: int,
        summary: Vector | None = None,
        facts: IndexedMetadata = NO_METADATA,
    ) -> None:
        """Make the staged chunks, all `chunk_count` of them, the document's only ones, in one step.

        summary: the vector that stands for the whole document; None: the mean of its chunks' vectors.
        Raises Incomplete if another number is staged: nothing changes then.
        """

    def describe(self, documents: Mapping[UUID, IndexedMetadata]) -> None:
        """Change what is known of documents, and nothing of their chunks; of one without live chunks, nothing."""

    def forget(self, document_id: UUID) -> None:
        """Remove every chunk of the document, staged and live."""

    def search(
        self, vector: Vector, question: str, limit: int, where: Where = ANYWHERE
    ) -> tuple[list[FoundChunk], list[FoundChunk]]:
        """Return what search_dense and search_lexical return, in one go."""

    def search_dense(
        self, vector: Vector, limit: int, where: Where = ANYWHERE, question: str = ""
    ) -> list[FoundChunk]:
        """Return the live chunks nearest to the vector, best first.

        question: as it was asked; a chunk must hold its "phrases in quotes", and none of its -excluded words.
        """

    def search_lexical(self, question: str, limit: int, where: Where = ANYWHERE) -> list[FoundChunk]:
        """Return the live chunks that share a word with the question, best first; stop words do not count.

        The same holds for quotes and minuses. Names like ERR_42 or django.db are found whole and by their parts.
        """

    def search_documents(self, vector: Vector, limit: int, where: Where = ANYWHERE) -> list[FoundDocument]:
        """Return the documents that as a whole are nearest to the vector, best first."""

    def chunks(self, document_id: UUID, limit: int) -> list[FoundChunk]:
        """Return the document's first live chunks in reading order; their score says nothing."""

    def count(self) -> int:
        """Return how many live chunks there are."""

    def counts(self) -> dict[UUID, int]:
        """Return how many live chunks each document has; 0 for one that has only staged ones."""

    def storage_names(self) -> Collection[str]:
        """Return what this index is stored in, as `stored_names` lists it."""

    @classmethod
    def stored_names(cls) -> set[str]:
        """Return what the engine stores of all indexes, also of those that no workspace has any more."""

    @classmethod
    def drop_stored(cls, name: str) -> None: ...
