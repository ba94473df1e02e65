"""Inserts a question with two SQL statements: its session; its turn, its answers and their first events.

The message id is the idempotency key: for a resend the statement inserts nothing.

With one round trip for each row, a burst of questions would wait for seconds. The columns come from the
Django models, so a new field needs no change here.
"""

import json
from collections.abc import Mapping, Sequence
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

# A statement of its own: it locks the session, so that the next one sees the turns that were recorded before.
_SESSION = """
    {session} ON CONFLICT (id) DO UPDATE SET
        title = coalesce(nullif(chat_session.title, ''), excluded.title), updated_at = excluded.updated_at,
        temporary_until = CASE WHEN chat_session.temporary_until IS NOT NULL THEN %s::timestamptz END
    WHERE chat_session.user_id = excluded.user_id
        AND (chat_session.temporary_until IS NULL OR chat_session.temporary_until > now())
    RETURNING id
"""
_RECORD = """
    WITH session AS (
        SELECT id, preface, temporary_until FROM chat_session
        WHERE id = %s AND user_id = %s AND (temporary_until IS NULL OR temporary_until > now())
    ), turn AS (
        {turn} ON CONFLICT (session_id, message_id) DO NOTHING RETURNING id, parent_id
    ), answer AS (
        {answer} RETURNING id, is_batch
    ), begun AS (
        {begun} RETURNING answer_id, seq, kind, data
    )
    SELECT begun.*, session.preface, turn.parent_id, session.temporary_until FROM begun, session, turn
"""
# The turn that the question follows, if it is one of this session; else the end of the path (chat.answering.branches).
_FOLLOWED = """coalesce(
    (SELECT t.id FROM chat_turn AS t WHERE t.id = %s::uuid AND t.session_id = session.id),
    (SELECT t.id FROM chat_turn AS t WHERE t.session_id = session.id ORDER BY t.shown_at DESC LIMIT 1)
)"""

FirstEvents = dict[UUID, list[Logged]]  # new answer -> the events at the start of its log


@dataclass(frozen=True, slots=True)
class SubmittedTurn:
    """A question to insert. Its session is created if it is new, and gets a title if it has none."""

    session: Session
    turn: Turn  # of this session
    answers: Sequence[Answer]  # to this turn
    is_version: bool = False  # of another question: its parent is that of the other one, or none

    def queries(self) -> list[Query]:
        session, values = _insert([self.session], "(VALUES (1)) AS one")
        # The database's clock, so that the clocks of several web processes do not decide which turn is the last.
        placed = {"shown_at": "clock_timestamp()"} | ({} if self.is_version else {"parent_id": _FOLLOWED})
        turn, turn_values = _insert([self.turn], "session", placed)
        answer, answer_values = _insert(self.answers, "turn")
        record = _RECORD.format(turn=turn, answer=answer, begun=FIRST_EVENTS)
        owner = [self.session.pk, self.session.user_id]
        values.append(Session.new_end())
        return [(_SESSION.format(session=session), values), (record, [*owner, *turn_values, *answer_values])]

    def read_first_events(self, rows: Rows) -> FirstEvents:
        """Return the events that were inserted: none if the turn exists or the session is another user's.

        Also mark the models as stored, and set the session's preface and when it ends, and the turn's parent and `just_recorded`.
        """
        for row in (self.turn, *self.answers):
            row._state.adding = not rows
        if rows:
            self.session.preface = json.loads(rows[0][4] or "null")
            self.turn.parent_id, self.session.temporary_until = rows[0][5:7]
            self.turn.just_recorded = self.answers
        return {id: [Logged(seq, kind, json.loads(data))] for id, seq, kind, data, *_ in rows}


@statement
def insert_turn(record: SubmittedTurn) -> Plan[FirstEvents]:
    """Insert a question, or nothing of it.

    The row lock of its session serialises the messages of a session.
    """
    _, rows = yield record.queries()
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


_NO_SQL: Mapping[str, str] = {}


def _insert(
    rows: Sequence[models.Model], source: str, computed: Mapping[str, str] = _NO_SQL
) -> tuple[str, list[Any]]:
    """Return the SQL that inserts these rows once for each row of `source`, and its parameters.

    computed: the SQL of columns that the database fills in, with or without a placeholder for the value.
    """
    into, marks = _columns(type(rows[0]))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), TEMPLATE_CONNECTION)
        for row in rows
        for field in row._meta.concrete_fields
        if "%s" in computed.get(str(field.column), "%s")
    ]
    selected = ", ".join(computed.get(column, mark) for column, mark in marks.items())
    return f"{into} " + " UNION ALL ".join([f"SELECT {selected} FROM {source}"] * len(rows)), values


@cache
def _columns(model: type[models.Model]) -> tuple[str, Mapping[str, str]]:
    """Return the start of an INSERT into the model's table, and a typed placeholder for each column."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = {str(field.column): f"%s::{field.db_type(TEMPLATE_CONNECTION)}" for field in fields}
    return f'INSERT INTO "{model._meta.db_table}" ({columns})', marks
