"""Responses with an exported file. They are written while they are sent, and hold no database connection meanwhile."""

from collections.abc import Iterator
from typing import Literal

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from accounts.models import User
from chat.models import Answer, Session
from core.waiting import release_connection

from .export_json import answer_as_json, sessions_as_json
from .export_markdown import answer_as_markdown, session_as_markdown
from .file_names import file_name

Form = Literal["markdown", "json"]
FORMS: tuple[Form, ...] = ("markdown", "json")
_CHUNK = 32_000  # characters that are sent together
_TYPES = {"md": "text/markdown", "json": "application/json"}


def session(user: User, found: Session, form: Form) -> StreamingHttpResponse:
    if form == "markdown":
        return _file(session_as_markdown(user, found), file_name(str(found), "md"))
    return _file(sessions_as_json(user, [found]), file_name(str(found), "json"))


def answer(user: User, found: Answer, form: Form) -> StreamingHttpResponse:
    title = str(found.turn.session)
    if form == "markdown":
        return _file(answer_as_markdown(user, found), file_name(title, "md"))
    return _file(answer_as_json(user, found), file_name(title, "json"))


def all_sessions(user: User) -> StreamingHttpResponse:
    """Return all conversations except those of programs, each of which sent its own history."""
    rows = Session.objects.filter(user=user, preface__isnull=True).order_by("created_at")
    # A cursor would end when the connection is released.
    keys = list(rows.values_list("pk", flat=True))
    found = (each for key in keys if (each := rows.filter(pk=key).first()))
    name = file_name(f"ragsite conversations {timezone.localdate():%Y-%m-%d}", "json")
    return _file(sessions_as_json(user, found), name)


def _file(parts: Iterator[str], name: str) -> StreamingHttpResponse:
    kind = _TYPES[name.rpartition(".")[2]]
    response = StreamingHttpResponse(_in_chunks(parts), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def _in_chunks(parts: Iterator[str]) -> Iterator[bytes]:
    kept, length = [], 0
    for part in parts:
        kept.append(part)
        length += len(part)
        if length >= _CHUNK:
            release_connection()  # the client may take its time
            yield "".join(kept).encode()
            kept, length = [], 0
    yield "".join(kept).encode()
