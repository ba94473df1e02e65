"""A snapshot of what a search depends on: stored with its trace, so that a later search can be compared."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from documents.models import Document
from models_registry.models import Endpoint
from workspaces.engines import Where

from .types import Scope, SearchConfig

_CORPUS = {"documents": "documents", "chunks": "passages"}
_INDEX = {"index": "index", "embedder": "embedding model", "metric": "similarity metric"}


def take_snapshot(scope: Scope, config: SearchConfig | None = None) -> dict[str, Any]:
    """Return the search settings, the index and the size of the corpus as plain data. Makes no query."""
    workspace = scope.workspace
    config = config or SearchConfig.of(workspace)
    switches = {name: getattr(config, name) for name in SearchConfig.__slots__}
    told = {
        "filters": _filters(scope.where),
        "corpus_version": workspace.corpus_version,
        "index": workspace.index_number,
        "embedder": workspace.embedder.name,
        "metric": workspace.metric,
        "config": {name: _plain(value) for name, value in switches.items()},
    }
    if scope.where.access_level is None:  # a user with an access level must not learn the total
        told |= {"documents": workspace.document_count, "chunks": workspace.chunk_count}
    return told


_TESTS = {"is": "is", "is_not": "is not", "at_least": "is at least", "at_most": "is at most"}


def _filters(where: Where) -> list[str]:
    """Return in words which documents the search can find. An empty list means all."""
    said = [
        f"{each.field} {_TESTS[each.test]} {' or '.join(map(str, each.values))}" for each in where.conditions
    ]
    if where.access_level is not None:
        said.append(f"access level is at most {where.access_level}")
    if where.documents is not None:
        said.append(f"one of {len(where.documents):,} chosen documents")
    return said


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Endpoint) else value


def describe_changes(then: Mapping[str, Any], scope: Scope, at: datetime) -> list[str]:
    """Return what changed since a snapshot, in sentences. then: the snapshot. at: when it was taken."""
    now = take_snapshot(scope)
    if not then:
        return ["The state of the workspace was not stored with this answer."]
    said = [
        f"Its {words} changed: {then[key]} then, {now[key]} now."
        for key, words in _INDEX.items()
        if then[key] != now[key]
    ]
    config = then["config"]
    said += [
        f"The setting {name.replace('_', ' ')} changed: {_in_words(config.get(name))} then, {_in_words(value)} now."
        for name, value in now["config"].items()
        if config.get(name) != value
    ]
    said += [
        f"It held {then[key]:,} {words} then, and {now[key]:,} now."
        for key, words in _CORPUS.items()
        if key in then and key in now and then[key] != now[key]
    ]
    if then["filters"] != now["filters"]:
        said.append("A filter or an access level changed which documents a search can find.")
    if then["corpus_version"] != now["corpus_version"]:
        said.append("Its documents changed: some were added, read again, removed, or got other field values.")
    return said + _read_since(scope, at)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def _read_since(scope: Scope, at: datetime) -> list[str]:
    read = Document.objects.filter(workspace=scope.workspace, ready_at__gt=at)
    if scope.where.access_level is not None:
        read = read.filter(access_level__lte=scope.where.access_level)
    count = read.count()
    return [f"{count:,} of its documents {'was' if count == 1 else 'were'} read since then."] if count else []
