"""Writes what Ragsite holds of one person: JSON lines, one row at a time, and the files that the person added.

Each file is written in batches, so that a person with years of conversations takes no more memory than a new one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, Protocol
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery, Value

from accounts.models import AuditEvent, User
from chat.answering.withholding import readable_summaries, withhold, withholding
from chat.asking.sessions import listed_sessions
from chat.models import (
    Answer,
    AnswerPassage,
    AnswerRating,
    Import,
    Session,
    SharedLink,
    Summary,
    TemporaryUsage,
    Turn,
)
from documents.models import Document, Search

from .events import events_about

_BATCH = 200  # rows in memory

Row = dict[str, Any]

README = """This archive holds what Ragsite stores of {name}.

account.json      the account, without the password, and the roles in workspaces
api_keys.jsonl    API keys by name; Ragsite stores no key itself
sessions.jsonl    conversations, with their summaries
turns.jsonl       questions, with their answers and the names of the documents that these cite
shared_links.jsonl  links under which the person shares conversations
temporary_usage.jsonl  what temporary chats have cost; nothing else is left of them
ratings.jsonl     ratings of answers
imports.jsonl     imports of conversations: the names of the files, and what became of them
searches.jsonl    searches that are not part of a conversation
documents.jsonl   documents that the person added; they belong to their workspaces
files/            the files of these documents, named by the document's id{files}
events.jsonl      events of the audit log: what the person did, and what was done to the account

Each line of a .jsonl file is one JSON object. Times are in UTC.
"""


class Archive(Protocol):
    """Where the files go."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]: ...


class Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        file = self._path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        return file.open("wb")


class Zip:
    def __init__(self, file: ZipFile) -> None:
        self._file = file

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return self._file.open(name, "w", force_zip64=True)


def zip_archive(file: IO[bytes]) -> ZipFile:
    return ZipFile(file, "w", ZIP_DEFLATED)


def export_person(user: User, archive: Archive, *, for_themselves: bool = False) -> dict[str, int]:
    """Write all of this user's data. Return how many rows each file has.

    for_themselves: withhold answers and summaries that rest on documents which the user may not see any more, and
    leave out files: they are on the documents' pages, for those who may see them.
    """
    with archive.open("README.txt") as file:
        left_out = " (left out: download them on their pages)" if for_themselves else ""
        file.write(README.format(name=user.username, files=left_out).encode())
    with archive.open("account.json") as file:
        file.write(_json(_account(user)) + b"\n")
    every = Answer.objects.annotate(is_withheld=Value(False))
    answers = withholding(user, Answer.objects.all()) if for_themselves else every
    summaries = readable_summaries(user) if for_themselves else Summary.objects.all()
    retold = Subquery(summaries.filter(pk=OuterRef("pk")).values("text"))
    files: dict[str, Iterable[Row]] = {
        "api_keys": map(_key, _in_batches(user.api_keys.all())),
        "sessions": map(_session, _in_batches(_sessions(user).annotate(retold=retold))),
        "turns": _turns(user, answers),
        "shared_links": map(_shared_link, _in_batches(SharedLink.objects.filter(session__user=user))),
        "temporary_usage": map(_usage, _in_batches(TemporaryUsage.objects.filter(user=user))),
        "ratings": map(
            _rating,
            _in_batches(AnswerRating.objects.filter(user=user, answer__turn__session__temporary_until=None)),
        ),
        "imports": map(_import, _in_batches(user.imports.all())),
        "searches": map(_search, _in_batches(Search.objects.filter(user=user).select_related("workspace"))),
        "documents": map(_document, _in_batches(_documents(user))),
        "events": map(
            _event, _in_batches(AuditEvent.objects.filter(Q(user=user) | events_about(user.username)))
        ),
    }
    counts = {name: _write(archive, f"{name}.jsonl", rows) for name, rows in files.items()}
    if not for_themselves:
        counts["files"] = sum(
            _write_file(archive, each) for each in _in_batches(_documents(user).exclude(file=""))
        )
    return counts


def _documents(user: User) -> QuerySet[Document]:
    return Document.objects.filter(created_by=user).select_related("workspace")


def _write(archive: Archive, name: str, rows: Iterable[Row]) -> int:
    count = 0
    with archive.open(name) as file:
        for count, row in enumerate(rows, 1):  # noqa: B007 - the count is read below
            file.write(_json(row) + b"\n")
    return count


def _write_file(archive: Archive, document: Document) -> bool:
    try:
        source = document.file.open("rb")
    except FileNotFoundError:  # `reconcile` names it
        return False
    with source, archive.open(f"files/{document.pk}") as target:
        copyfileobj(source, target)
    return True


def _json(row: Row) -> bytes:
    return json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False).encode()


def _in_batches(rows: QuerySet[Any]) -> Iterator[Any]:
    for batch in _batches(rows):
        yield from batch


def _batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield the rows in the order of their keys, a batch at a time, also if rows are added meanwhile."""
    rows, last = rows.order_by("pk"), None
    while batch := list((rows.filter(pk__gt=last) if last is not None else rows)[:_BATCH]):
        yield batch
        last = batch[-1].pk


# --- rows -----------------------------------------------------------------------------------------


def _named(row: Model, *names: str) -> Row:
    return {name: getattr(row, name) for name in names}


def _account(user: User) -> Row:
    roles = user.memberships.select_related("workspace").order_by("pk")
    told = _named(
        user, "id", "username", "first_name", "last_name", "email", "is_active", "is_operator", "date_joined",
        "last_login",
    )  # fmt: skip
    return told | {
        "permissions": sorted(user.user_permissions.values_list("codename", flat=True)),
        "roles": [
            {"workspace": each.workspace.name} | _named(each, "role", "access_level", "created_at")
            for each in roles
        ],
    }


def _key(key: Any) -> Row:
    return _named(key, "name", "prefix", "created_at", "last_used_at", "revoked_at")


def _sessions(user: User) -> QuerySet[Session]:
    return listed_sessions(user).select_related("folder").prefetch_related("tags")


def _session(session: Any) -> Row:
    told = _named(session, "id", "title", "is_pinned", "is_archived", "preface", "created_at", "updated_at")
    place = {"folder": session.folder.name if session.folder else None, "tags": session.tag_names}
    return told | place | {"summary": session.retold or ""}


def _turns(user: User, answers: QuerySet[Answer]) -> Iterator[Row]:
    """Yield the turns with their answers.

    Rows of a batch are joined here: Django's prefetching makes cycles, which stay in memory for a while.
    """
    for turns in _batches(Turn.objects.filter(session__in=listed_sessions(user)).select_related("workspace")):
        given = list(answers.filter(turn__in=[each.pk for each in turns]).defer("trace"))
        cited = AnswerPassage.objects.filter(answer__in=[each.pk for each in given]).order_by("number")
        cites = _by(cited.values("answer_id", "number", "document_title", "page"), "answer_id")
        told = _by((_answer(withhold(each), cites) for each in given), "turn_id")
        for turn in turns:
            yield _named(turn, "id", "session_id", "parent_id", "text", "filters", "created_at") | {
                "workspace": turn.workspace and turn.workspace.name,
                "answers": told.get(turn.pk, []),
            }


def _by(rows: Iterable[Any], name: str) -> dict[Any, list[Row]]:
    """Return the rows by this value, without it."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row.pop(name), []).append(row)
    return found


def _answer(answer: Any, cites: Mapping[Any, list[Row]]) -> Row:
    told = _named(
        answer, "id", "turn_id", "endpoint_name", "status", "text", "error", "input_tokens", "output_tokens", "cost",
        "created_at", "ended_at",
    )  # fmt: skip
    return told | {"cites": [] if answer.is_withheld else cites.get(answer.pk, [])}


def _shared_link(link: SharedLink) -> Row:
    return _named(
        link, "id", "session_id", "name", "audience", "names_owner", "created_at", "taken_at", "ends_at"
    )


def _usage(usage: TemporaryUsage) -> Row:
    return _named(usage, "endpoint_name", "input_tokens", "output_tokens", "cost", "asked_at")


def _rating(rating: AnswerRating) -> Row:
    return _named(rating, "answer_id", "is_good", "comment", "created_at", "updated_at")


def _import(row: Import) -> Row:
    return _named(
        row,
        "id",
        "name",
        "size_bytes",
        "status",
        "error",
        "added",
        "already_here",
        "left_out",
        "created_at",
        "ended_at",
    )


def _search(search: Search) -> Row:
    return {"workspace": search.workspace.name} | _named(search, "id", "question", "outcome", "created_at")


def _document(document: Document) -> Row:
    told = _named(
        document,
        "id",
        "kind",
        "title",
        "url",
        "media_type",
        "size_bytes",
        "language",
        "metadata",
        "created_at",
    )
    return told | {"workspace": document.workspace.name}


def _event(event: AuditEvent) -> Row:
    return _named(event, "at", "actor_name", "action", "subject", "detail")
