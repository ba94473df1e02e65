"""The public interface of this app, besides its models. An import contract keeps everything else private."""

from .access import documents_for, hidden_from, where_for
from .api.serializers import FILTERS_HELP, TraceSerializer
from .chunking.table_heads import is_quote
from .errors import RetrievalFailed
from .fields.filters import Filters, in_words, titles_in
from .pages.filter_inputs import shown_fields
from .parsing.blocks import Block, blocks
from .parsing.headings import without_headings
from .parsing.media_types import MARKDOWN
from .retrieval import IN_PROMPT, Passage, Retrieval, Scope, is_small_talk, search
from .retrieval.explain import Explanation, Row, Stage, explain_search
from .retrieval.snapshot import describe_changes, take_snapshot
from .retrieval.starters import starter_questions
from .retrieval.types import flatten_ranks

__all__ = [
    "FILTERS_HELP",
    "IN_PROMPT",
    "MARKDOWN",
    "Block",
    "Explanation",
    "Filters",
    "Passage",
    "Retrieval",
    "RetrievalFailed",
    "Row",
    "Scope",
    "Stage",
    "TraceSerializer",
    "blocks",
    "describe_changes",
    "documents_for",
    "explain_search",
    "flatten_ranks",
    "hidden_from",
    "in_words",
    "is_quote",
    "is_small_talk",
    "search",
    "shown_fields",
    "starter_questions",
    "take_snapshot",
    "titles_in",
    "where_for",
    "without_headings",
]
