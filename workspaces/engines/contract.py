"""The interface of an engine, which stores a workspace's chunks and searches them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from inference.types import Vector
from workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be stored."""

    ordinal: int  # from 0, in reading order, unique within its document
    text: str
    content_hash: bytes  # SHA-256 of the embedder's identity and the embedded text
    section: int  # Section.position
    start: int  # characters into the section's text
    end: int
    title_path: tuple[str, ...] = ()
    page: int | None = None
    embedded: str = ""  # the embedded text, if it is not `text`
    name: str = ""  # the document's title or file name: its words find each of its chunks


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A stored chunk, with the raw score of the leg that found it.

    dense: `score` is a similarity, higher is nearer; for cosine it is 1 - distance, -1 to 1. lexical: `score`
    is the engine's rank, higher is better. Scores of the two legs are never compared.
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
    # Lexical: the share of the question's words in the chunk, weighted by their rarity; 0 to 1.
    coverage: float = 0


@dataclass(frozen=True, slots=True)
class FoundDocument:
    document_id: UUID
    score: float  # similarity of the document's own vector, as `FoundChunk.score` of the dense leg


Value = str | float | bool
"""A metadata value, in sortable form: a date is 2024-01-31, a version has its parts padded."""


@dataclass(frozen=True, slots=True)
class IndexedMetadata:
    """The metadata and access level of a document."""

    metadata: Mapping[str, Value] = field(default_factory=dict)
    access_level: int = 0  # visible to everyone whose own level is at least this


NO_METADATA = IndexedMetadata()


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a document's metadata.

    If a document has no value for the field, only `is_not` holds.
    """

    field: str  # the name of a declared field
    test: Literal["is", "is_not", "at_least", "at_most"]
    values: tuple[Value, ...]  # "is": any of these; "is_not": none of them; the other tests have one value


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: the documents that meet all of these conditions may be found."""

    documents: tuple[UUID, ...] | None = None  # None: all
    conditions: tuple[Condition, ...] = ()
    access_level: int | None = None  # the highest level that the user sees; None: no limit
    without: tuple[UUID, ...] = ()  # documents that are being deleted, whose chunks may still be there


ANYWHERE = Where()


class Engine(Protocol):
    """The chunks of one index of one workspace. Every method joins the caller's transaction, if there is one.

    `publish`, `describe` and `forget` increment `Workspace.corpus_version` in the same transaction, if this
    index is the one in use.
    """

    def __init__(self, workspace: Workspace) -> None: ...

    def create(self) -> None:
        """Create the storage of the chunks. Called in the transaction that creates the workspace."""

    def drop(self) -> None: ...

    def embedded_hashes(self, document_id: UUID) -> set[bytes]:
        """Return the content hashes of this document that already have a vector, staged or live."""

    def embeddings(self, document_id: UUID, hashes: Collection[bytes]) -> dict[bytes, Vector]:
        """Return the vectors that this document already has for these content hashes, staged or live."""

    def stage(self, document_id: UUID, chunks: Sequence[NewChunk], vectors: Sequence[Vector | None]) -> None:
        """Store a batch of chunks that no search sees yet. Raises WrongDimensions.

        A vector of None is copied from a chunk with the same hash, as it was before this call. Staging is
        idempotent: an ordinal that is staged again is replaced.
        """

    def rename(self, document_id: UUID, name: str) -> None:
        """Let the document's chunks be found by the words of its new name, and no longer by those of the old one."""

    def publish(
        self,
        document_id: UUID,
        chunk_count: int,
        summary: Vector | None = None,
        facts: IndexedMetadata = NO_METADATA,
    ) -> None:
        """Replace the document's live chunks by its staged ones, all `chunk_count` of them, in one step.

        summary: the vector of the whole document; None: the mean of its chunks' vectors. Raises Incomplete,
        and changes nothing, if the number of staged chunks differs.
        """

    def describe(self, documents: Mapping[UUID, IndexedMetadata]) -> None:
        """Update the metadata of documents, but not their chunks. Ignore documents without live chunks."""

    def forget(self, document_id: UUID) -> None:
        """Delete every chunk of the document, staged and live."""

    def search(
        self, vector: Vector, question: str, limit: int, where: Where = ANYWHERE
    ) -> tuple[list[FoundChunk], list[FoundChunk]]:
        """Hybrid search: return the results of search_dense and search_lexical, with fewer round trips."""

    def search_dense(
        self, vector: Vector, limit: int, where: Where = ANYWHERE, question: str = ""
    ) -> list[FoundChunk]:
        """Return the live chunks nearest to the vector, best first.

        question: the original text; a chunk must contain its "phrases in quotes", and none of its -excluded
        words.
        """

    def search_lexical(self, question: str, limit: int, where: Where = ANYWHERE) -> list[FoundChunk]:
        """Return the live chunks that share a word with the question, best first; stop words do not count.

        Quotes and minus signs work as in search_dense. Identifiers such as ERR_42 or django.db match whole
        and by part.
        """

    def search_documents(self, vector: Vector, limit: int, where: Where = ANYWHERE) -> list[FoundDocument]:
        """Return the documents whose own vectors are nearest to the vector, best first."""

    def chunks(self, document_id: UUID, limit: int) -> list[FoundChunk]:
        """Return the document's first live chunks in reading order; their scores have no meaning."""

    def count(self) -> int:
        """Return the number of live chunks."""

    def counts(self) -> dict[UUID, int]:
        """Return the number of live chunks of each document; 0 if it has only staged ones."""

    def storage_names(self) -> Collection[str]:
        """Return the names of this index's storage, as in `stored_names`."""

    @classmethod
    def stored_names(cls) -> set[str]:
        """Return the names of the storage of all indexes, including those whose workspace is gone."""

    @classmethod
    def drop_stored(cls, name: str) -> None: ...
