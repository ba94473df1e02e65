"""Records a question in one statement: its session, its turn, its answers and their first events.

Each statement is a round trip, and each round trip a wait for Python's lock: with one for each row, a burst
of questions waits for seconds. The columns come from the models, so that a new field needs nothing here.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

from .log import BEGUN
from .models import Answer, Session, Turn
from .prepared import prepared

_RECORD = """
    WITH session AS (
        {session} ON CONFLICT (id) DO UPDATE SET
            title = coalesce(nullif(chat_session.title, ''), excluded.title), updated_at = excluded.updated_at
        WHERE chat_session.user_id = excluded.user_id
        RETURNING id
    ), turn AS (
        {turn} ON CONFLICT (session_id, message_id) DO NOTHING RETURNING id
    ), answer AS (
        {answer} RETURNING id, is_batch
    ), begun AS (
        {begun}
    )
    SELECT id FROM turn
"""


def record(session: Session, turn: Turn, answers: Sequence[Answer]) -> bool:
    """Record all of it. False, and nothing is: the turn is there, or the session is somebody else's.

    The session is made if it is new, and named if it has no name. Its row's lock makes the messages of one
    session come one after the other.
    """
    parts = {
        "session": _insert([session], "(VALUES (1)) AS one"),
        "turn": _insert([turn], "session"),
        "answer": _insert(answers, "turn"),
    }
    statement = _RECORD.format(begun=BEGUN, **{name: sql for name, (sql, _) in parts.items()})
    with prepared() as cursor:
        cursor.execute(statement, [value for _, values in parts.values() for value in values])
        is_recorded = cursor.fetchone() is not None
    for row in (turn, *answers):
        row._state.adding = not is_recorded
    return is_recorded


_RECORD_VERSION = """
    WITH answer AS (
        {answer} ON CONFLICT (turn_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
        RETURNING id, is_batch
    ), begun AS (
        {begun}
    )
    SELECT id FROM answer
"""


def record_version(answer: Answer) -> bool:
    """Record another answer to a turn. False: its message id has one already."""
    sql, values = _insert([answer], "(VALUES (1)) AS one")
    with prepared() as cursor:
        cursor.execute(_RECORD_VERSION.format(answer=sql, begun=BEGUN), values)
        answer._state.adding = cursor.fetchone() is None
    return not answer._state.adding


def _insert(rows: Sequence[models.Model], source: str) -> tuple[str, list[Any]]:
    """Return the INSERT of these rows for each row of `source`, and their values."""
    into, marks = _columns(type(rows[0]))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for row in rows
        for field in row._meta.concrete_fields
    ]
    return f"{into} " + " UNION ALL ".join([f"SELECT {marks} FROM {source}"] * len(rows)), values


@cache
def _columns(model: type[models.Model]) -> tuple[str, str]:
    """Return the beginning of an INSERT, and a mark with its type for each column."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(f"%s::{field.db_type(connection)}" for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns})', marks
