"""Prompt templates: Markdown files with a heading for each role, and few-shot examples as earlier turns.

A template is filled in a single pass, so braces in a question or a passage stay plain text. Passages and
summaries are fenced as data against prompt injection (inference.untrusted_text).
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from inference.citations import escape_citations
from inference.types import ChatMessage, Quotable, Role
from inference.untrusted_text import disarm, fence

_ROLES: tuple[Role, ...] = get_args(Role)
_HEADING = re.compile(r"^# (\w+)$\n", re.MULTILINE)
_PLACE = re.compile(r"\{(\w+)\}")


def grounded(
    question: str, passages: Sequence[Quotable], history: Iterable[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt for an answer that uses passages and cites them by number."""
    return _fill(_GROUNDED, history, passages="\n".join(map(_fence_passage, passages)), question=question)


def plain(question: str, history: Iterable[ChatMessage] = ()) -> tuple[ChatMessage, ...]:
    """Return the prompt for a conversation without documents."""
    return _fill(_PLAIN, history, question=question)


def earlier(summary: str) -> tuple[ChatMessage, ...]:
    """Return the messages that precede the history: the summary of the messages before it."""
    return _fill(_EARLIER, (), summary=disarm(summary))


def summarising(summary: str, exchanges: Iterable[tuple[str, str]]) -> tuple[ChatMessage, ...]:
    """Return the prompt that merges the earlier summary ("": none) and the exchanges since into a new one."""
    said = [f"User: {disarm(asked)}\n\nAssistant: {disarm(told)}" for asked, told in exchanges]
    return _fill(_SUMMARY, (), summary=disarm(summary) or "There is none yet.", messages="\n\n".join(said))


def titling(question: str, answer: str) -> tuple[ChatMessage, ...]:
    """Return the prompt for a session's title. answer: "" if the title should not rest on it."""
    return _fill(_TITLE, (), question=disarm(question), answer=disarm(answer) or "(left out)")


def _fence_passage(passage: Quotable) -> str:
    text, title = escape_citations(passage.text), escape_citations(passage.title)
    return fence("passage", text, number=passage.number, title=title)


_Template = tuple[tuple[str, str], ...]  # (heading, text)


def _read(name: str) -> _Template:
    _, *parts = _HEADING.split((Path(__file__).parent / name).read_text())
    return tuple((heading, text.strip()) for heading, text in zip(parts[::2], parts[1::2], strict=True))


def _fill(template: _Template, history: Iterable[ChatMessage], **values: str) -> tuple[ChatMessage, ...]:
    messages: list[ChatMessage] = []
    for heading, text in template:
        filled = _PLACE.sub(lambda place: values[place[1]], text)
        messages += history if heading == "history" else [ChatMessage(_role(heading), filled)]
    return tuple(messages)


def _role(heading: str) -> Role:
    return next(role for role in _ROLES if role == heading)


_GROUNDED = _read("grounded.md")
_PLAIN = _read("plain.md")
_EARLIER = _read("earlier.md")
_SUMMARY = _read("summary.md")
_TITLE = _read("title.md")
