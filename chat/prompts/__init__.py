"""The prompts: Markdown files with a heading for each role, worked examples as earlier turns.

They are filled once, in one pass: braces in a question or a passage are only text. Passages are fenced as
data, and what looks like the fence within them is made harmless.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from inference.types import ChatMessage, Quotable, Role

_ROLES: tuple[Role, ...] = get_args(Role)
_HEADING = re.compile(r"^# (\w+)$\n", re.MULTILINE)
_PLACE = re.compile(r"\{(\w+)\}")
_FENCE = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)


def grounded(
    question: str, passages: Sequence[Quotable], history: Iterable[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt for an answer that rests on passages and cites them by number."""
    return _filled(_GROUNDED, history, passages="\n".join(map(_fenced, passages)), question=question)


def plain(question: str, history: Iterable[ChatMessage] = ()) -> tuple[ChatMessage, ...]:
    """Return the prompt for a conversation without documents."""
    return _filled(_PLAIN, history, question=question)


def _fenced(passage: Quotable) -> str:
    title = _harmless(" ".join(passage.title.split())).replace('"', "'")
    return f'<passage number="{passage.number}" title="{title}">\n{_harmless(passage.text)}\n</passage>'


def _harmless(text: str) -> str:
    return _FENCE.sub("‹", text)


_Template = tuple[tuple[str, str], ...]  # (heading, text)


def _read(name: str) -> _Template:
    _, *parts = _HEADING.split((Path(__file__).parent / name).read_text())
    return tuple((heading, text.strip()) for heading, text in zip(parts[::2], parts[1::2], strict=True))


def _filled(template: _Template, history: Iterable[ChatMessage], **values: str) -> tuple[ChatMessage, ...]:
    *before, (role, last) = template
    messages: list[ChatMessage] = []
    for heading, text in before:
        messages += history if heading == "history" else [ChatMessage(_role(heading), text)]
    question = _PLACE.sub(lambda place: values[place[1]], last)
    return (*messages, ChatMessage(_role(role), question))


def _role(heading: str) -> Role:
    return next(role for role in _ROLES if role == heading)


_GROUNDED = _read("grounded.md")
_PLAIN = _read("plain.md")
