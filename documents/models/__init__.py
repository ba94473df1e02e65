"""Documents and their sources, and the ledger that records how each document became searchable."""

from .document import Document, DocumentQuerySet, LiveSections, Section, _media_path
from .ledger import BatchEntry, LedgerEntry
from .reindex_item import ReindexItem, ReindexItemQuerySet
from .search import Search
from .source import MISSING, PERIODS, TROUBLE, Address, Finding, Source, SourceHold
from .upload import Upload
from .work import Work, WorkQuerySet

__all__ = [
    "MISSING",
    "PERIODS",
    "TROUBLE",
    "Address",
    "BatchEntry",
    "Document",
    "DocumentQuerySet",
    "Finding",
    "LedgerEntry",
    "LiveSections",
    "ReindexItem",
    "ReindexItemQuerySet",
    "Search",
    "Section",
    "Source",
    "SourceHold",
    "Upload",
    "Work",
    "WorkQuerySet",
    "_media_path",
]
