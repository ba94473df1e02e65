"""Caches search results and question embeddings in the Redis-protocol server that all processes share.

The key of a result covers the question, the search settings and the user's permissions. The entry holds the
corpus version, which grows in each transaction that publishes or removes a document or changes its metadata.
Each search reads the current version, so it never returns a result of an older one. Titles are read again for
each search. Answers are not cached. If the server is unreachable, every search runs in full.
docs/adr/0023-caches.md has the measurements.
"""

import hashlib
import json
import logging
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from documents.models import Document
from inference.types import Vector
from models_registry.models import Endpoint
from workspaces.engines import plain_query
from workspaces.models import Workspace

from .types import Found, Leg, Passage, Rank, Retrieval, Scope, SearchConfig, Trace

logger = logging.getLogger(__name__)

VECTOR_SECONDS = 3600
_TIMEOUT_S = 0.5  # for the cache server
_STATE = (
    f"SELECT w.corpus_version, d.id, d.title FROM {Workspace._meta.db_table} w "
    f"LEFT JOIN {Document._meta.db_table} d ON d.id = ANY(%s::uuid[]) AND d.deleted_at IS NULL "
    "WHERE w.id = %s"
)
# Part of the key, because another release may have other fields
_SHAPE = [
    (kind.__module__, kind.__name__, [each.name for each in fields(kind)])
    for kind in (Retrieval, Passage, Trace, Found, Leg, Rank)
]


@dataclass(slots=True)
class SearchCache:
    """The cache entries of one search. Its methods block on Postgres and Redis: not for the event loop."""

    scope: Scope
    config: SearchConfig
    queries: Sequence[str]  # that are searched
    limit: int
    token_budget: int
    _version: int | None = None  # the corpus version, read before the search
    vectors: list[Vector | None] = field(init=False)  # the cached embeddings of the queries
    seen: dict[str, str] = field(default_factory=lambda: {"retrieval": "off", "query embedding": "off"})

    def __post_init__(self) -> None:
        self.vectors = [None for _ in self.queries]

    def get(self) -> Retrieval | None:
        """Return the cached result if nothing changed since. Also load the cached embeddings of the queries."""
        if not settings.SEARCH_CACHE_SECONDS:
            return None
        key, vector_keys = self._retrieval_key(), [*map(self._vector_key, self.queries)]
        known = _get(key, *vector_keys)
        version, found = _unpack(known.get(key))
        ids = {passage.document_id for passage in found.passages} if found else set()
        self._version, titles = _state(self.scope.workspace, ids)
        if version != self._version or len(titles) < len(ids):
            found = None
        self.vectors = [array("f", known[each]).tolist() if each in known else None for each in vector_keys]
        self.seen["retrieval"] = "hit" if found else "miss"
        self.seen["query embedding"] = "hit" if all(self.vectors) else "miss"
        return _with_titles(found, titles) if found else None

    def put(self, found: Retrieval, vectors: Sequence[Vector | None]) -> None:
        """Cache the embeddings of the queries, and the result unless a leg failed or a model rewrote the query."""
        if self._version is None:
            return
        for query, vector, cached in zip(self.queries, vectors, self.vectors, strict=True):
            if vector and not cached:
                _set(self._vector_key(query), array("f", vector).tobytes(), VECTOR_SECONDS)
        if not found.trace.condensed and not any(leg.error for leg in found.trace.legs):
            _set(self._retrieval_key(), _pack(self._version, found), settings.SEARCH_CACHE_SECONDS)

    def _retrieval_key(self) -> str:
        workspace, config = self.scope.workspace, self.config
        switches = {
            each.name: _identity(value) if isinstance(value, Endpoint) else value
            for each in fields(config)
            for value in [getattr(config, each.name)]
        }
        index = (workspace.pk, workspace.index_number, _identity(workspace.embedder), workspace.metric)
        asked = ([*map(_normalise, self.queries)], self.limit, self.token_budget, repr(self.scope.where))
        return _key("retrieval", _SHAPE, index, workspace.languages, switches, asked)

    def _vector_key(self, query: str) -> str:
        return _key("vector", _identity(self.scope.workspace.embedder), plain_query(query))


def _identity(endpoint: Endpoint) -> tuple[object, ...]:
    """Return the properties of an endpoint on which its replies depend."""
    return endpoint.pk, endpoint.provider, endpoint.model, json.dumps(endpoint.options, sort_keys=True)


def _normalise(question: str) -> str:
    """Return the question with normalised white space and Unicode. Keep the case: models depend on it."""
    return " ".join(unicodedata.normalize("NFKC", question).split())


def _key(kind: str, *parts: object) -> str:
    return f"search:{kind}:{hashlib.sha256(repr(parts).encode()).hexdigest()}"


def _pack(version: int, found: Retrieval) -> bytes:
    """Return the entry as JSON: data that is read back from a server must never be able to run code."""
    return json.dumps([version, asdict(found)], default=str).encode()


def _unpack(kept: bytes | None) -> tuple[int | None, Retrieval | None]:
    if not kept:
        return None, None
    try:
        version, found = json.loads(kept)
        trace = found["trace"]
        legs = tuple(Leg(**leg) for leg in trace["legs"])
        candidates = tuple(Found(**_read_row(each)) for each in trace["candidates"])
        passages = tuple(
            Passage(**_read_row(each) | {"title_path": tuple(each["title_path"])})
            for each in found["passages"]
        )
        trace = Trace(**trace | {"legs": legs, "candidates": candidates})
        return version, Retrieval(found["outcome"], passages, trace)
    except (ValueError, KeyError, TypeError):
        logger.warning("A cached search result cannot be read. The search runs again.")
        return None, None


def _read_row(fields: dict[str, Any]) -> dict[str, Any]:
    ranks = {name: Rank(**rank) for name, rank in fields["ranks"].items()}
    return fields | {"document_id": UUID(fields["document_id"]), "ranks": ranks}


def _with_titles(found: Retrieval, titles: Mapping[UUID, str]) -> Retrieval:
    """Return the result with the documents' current titles."""
    passages = (replace(each, document_title=titles[each.document_id]) for each in found.passages)
    return replace(found, passages=tuple(passages))


def _state(workspace: Workspace, documents: set[UUID]) -> tuple[int | None, dict[UUID, str]]:
    """Return the current corpus version and titles, in one statement, because each costs a round trip."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [list(documents), workspace.pk])
        rows = cursor.fetchall()
    return (rows[0][0] if rows else None), {id: title for _, id, title in rows if id}


def titles_of(documents: set[UUID]) -> Mapping[UUID, str]:
    if not documents:
        return {}
    return dict(Document.objects.filter(pk__in=documents).values_list("id", "title"))


def _get(*keys: str) -> dict[str, bytes]:
    try:
        found = _server(settings.CACHES["default"]["LOCATION"]).mget(keys)
    except RedisError as error:
        logger.warning("Searching without a cache: %s", error)
        return {}
    return {key: value for key, value in zip(keys, found, strict=True) if isinstance(value, bytes)}


def _set(key: str, value: bytes, seconds: int) -> None:
    try:
        _server(settings.CACHES["default"]["LOCATION"]).set(key, value, ex=seconds)
    except RedisError as error:
        logger.warning("A search result is not cached: %s", error)


@cache
def _server(url: str) -> Redis:
    """Return the client of this process. Django's has a connection per task, so it reconnects each time."""
    return Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
