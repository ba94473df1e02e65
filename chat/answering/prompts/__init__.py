"""The prompts: Markdown files with a heading for each role, worked examples as earlier turns.

They are filled once, in one pass: braces in a question or a passage are only text. Passages are fenced as
data, as are summaries, and what looks like a fence within them is made harmless.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from inference.types import ChatMessage, Quotable, Role

_ROLES: tuple[Role, ...] = get_args(Role)
_HEADING = re.compile(r"^# (\w+)$\n", re.MULTILINE)
_PLACE = re.compile(r"\{(\w+)\}")
_FENCE = re.compile(r"<(?=\s*/?\s*(?:passage|summary|messages))", re.IGNORECASE)


def grounded(
    question: str, passages: Sequence[Quotable], history: Iterable[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt for an answer that rests on passages and cites them by number."""
    return _filled(_GROUNDED, history, passages="\n".join(map(_fenced, passages)), question=question)


def plain(question: str, history: Iterable[ChatMessage] = ()) -> tuple[ChatMessage, ...]:
    """Return the prompt for a conversation without documents."""
    return _filled(_PLAIN, history, question=question)


def earlier(summary: str) -> tuple[ChatMessage, ...]:
    """Return what stands before the history, for the messages that are not in it any more."""
    return _filled(_EARLIER, (), summary=_harmless(summary))


def summarising(summary: str, exchanges: Iterable[tuple[str, str]]) -> tuple[ChatMessage, ...]:
    """Return the prompt for a summary of an earlier one ("": there is none) and what was said since."""
    said = [f"User: {_harmless(asked)}\n\nAssistant: {_harmless(told)}" for asked, told in exchanges]
    return _filled(
        _SUMMARY, (), summary=_harmless(summary) or "There is none yet.", messages="\n\n".join(said)
    )


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
