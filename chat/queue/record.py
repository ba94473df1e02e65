"""Inserts a question with one SQL statement: its session, its turn, its answers and their first events.

The message id is the idempotency key: for a resend the statement inserts nothing.

With one round trip for each row, a burst of questions would wait for seconds. The columns come from the
Django models, so a new field needs no change here.
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

FirstEvents = dict[UUID, list[Logged]]  # new answer -> the events at the start of its log


@dataclass(frozen=True, slots=True)
class SubmittedTurn:
    """A question to insert. Its session is created if it is new, and gets a title if it has none."""

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
        """Return the events that were inserted: none if the turn exists or the session is another user's.

        Also mark the models as stored, and set the session's preface and the turn's `just_recorded`.
        """
        for row in (self.turn, *self.answers):
            row._state.adding = not rows
        if rows:
            self.session.preface = json.loads(rows[0][4] or "null")
            self.turn.just_recorded = self.answers
        return {id: [Logged(seq, kind, json.loads(data))] for id, seq, kind, data, _ in rows}


@statement
def insert_turn(record: SubmittedTurn) -> Plan[FirstEvents]:
    """Insert a question, or nothing of it.

    The row lock of its session serialises the messages of a session.
    """
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
    """Insert another version of an answer. Return False if its message id exists already."""
    sql, values = _insert([answer], "(VALUES (1)) AS one")
    with prepared_cursor() as cursor:
        cursor.execute(_RECORD_VERSION.format(answer=sql, begun=FIRST_EVENTS), values)
        answer._state.adding = cursor.fetchone() is None
    return not answer._state.adding


def _insert(rows: Sequence[models.Model], source: str) -> tuple[str, list[Any]]:
    """Return the SQL that inserts these rows once for each row of `source`, and its parameters."""
    into, marks = _columns(type(rows[0]))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), TEMPLATE_CONNECTION)
        for row in rows
        for field in row._meta.concrete_fields
    ]
    return f"{into} " + " UNION ALL ".join([f"SELECT {marks} FROM {source}"] * len(rows)), values


@cache
def _columns(model: type[models.Model]) -> tuple[str, str]:
    """Return the start of an INSERT into the model's table, and a typed placeholder for each column."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(f"%s::{field.db_type(TEMPLATE_CONNECTION)}" for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns})', marks
