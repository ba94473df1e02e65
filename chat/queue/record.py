"""Records a question in one statement: its session, its turn, its answers and their first events.

With a round trip for each row a burst of questions would wait for seconds. The columns come from the models, so
that a new field needs nothing here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.db import models

from chat.log.events import Logged
from chat.log.writer import FIRST_EVENTS
from chat.models import Answer, Session, Turn
from core.db.pool import TEMPLATE_CONNECTION, Query, Rows
from core.db.statements import Plan, prepared_cursor, statement

_RECORD = """
    WITH session AS (
        {session} ON CONFLICT (id) DO UPDATE SET
            title = coalesce(nullif(chat_session.title, ''), excluded.title), updated_at = excluded.updated_at
        WHERE chat_session.user_id = excluded.user_id
        RETURNING id, preface
    ), turn AS (
        {turn} ON CONFLICT (session_id, message_id) DO NOTHING RETURNING id
    ), answer AS (
        {answer} RETURNING id, is_batch
    ), begun AS (
        {begun} RETURNING answer_id, seq, kind, data
    )
    SELECT begun.*, session.preface FROM begun, session
"""

FirstEvents = dict[UUID, list[Logged]]  # of new answers: the events that their logs begin with


@dataclass(frozen=True, slots=True)
class SubmittedTurn:
    """A question that is to be recorded. The session is made if it is new, and named if it has no name."""

    session: Session
    turn: Turn  # of this session
    answers: Sequence[Answer]  # to this turn

    def query(self) -> Query:
        parts = {
            "session": _insert([self.session], "(VALUES (1)) AS one"),
            "turn": _insert([self.turn], "session"),
            "answer": _insert(self.answers, "turn"),
        }
        query = _RECORD.format(begun=FIRST_EVENTS, **{name: sql for name, (sql, _) in parts.items()})
        return query, [value for _, values in parts.values() for value in values]

    def read_first_events(self, rows: Rows) -> FirstEvents:
        """Return what came of the query. Nothing: the turn is there, or the session is somebody else's."""
        for row in (self.turn, *self.answers):
            row._state.adding = not rows
        if rows:
            self.session.preface = json.loads(rows[0][4] or "null")
            self.turn.just_recorded = self.answers
        return {id: [Logged(seq, kind, json.loads(data))] for id, seq, kind, data, _ in rows}


@statement
def insert_turn(record: SubmittedTurn) -> Plan[FirstEvents]:
    """Record a question, or nothing of it. Its session's lock has the messages of a session come in turn."""
    [rows] = yield [record.query()]
    return record.read_first_events(rows)


_RECORD_VERSION = """
    WITH answer AS (
        {answer} ON CONFLICT (turn_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
        RETURNING id, is_batch
    ), begun AS (
        {begun}
    )
    SELECT id FROM answer
"""


def insert_version(answer: Answer) -> bool:
    """Record another answer to a turn. False: its message id has one already."""
    sql, values = _insert([answer], "(VALUES (1)) AS one")
    with prepared_cursor() as cursor:
        cursor.execute(_RECORD_VERSION.format(answer=sql, begun=FIRST_EVENTS), values)
        answer._state.adding = cursor.fetchone() is None
    return not answer._state.adding


def _insert(rows: Sequence[models.Model], source: str) -> tuple[str, list[Any]]:
    """Return the INSERT of these rows for each row of `source`, and their values."""
    into, marks = _columns(type(rows[0]))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), TEMPLATE_CONNECTION)
        for row in rows
        for field in row._meta.concrete_fields
    ]
    return f"{into} " + " UNION ALL ".join([f"SELECT {marks} FROM {source}"] * len(rows)), values


@cache
def _columns(model: type[models.Model]) -> tuple[str, str]:
    """Return the beginning of an INSERT, and a mark with its type for each column."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(f"%s::{field.db_type(TEMPLATE_CONNECTION)}" for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns})', marks
