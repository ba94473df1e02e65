"""Separates a model's thinking from its answer where the model writes both into the same text.

Reasoning models begin with <think>, and some servers pass it on as it is. The templates of DeepSeek-R1 and
QwQ put the opening tag into the prompt, so only the closing one arrives. A tag in code, in quotes or (an
opening one) in the middle of a line is text about tags.
Source: the reasoning parsers of vLLM, https://docs.vllm.ai/en/latest/features/reasoning_outputs.html
"""

import re
from collections.abc import Iterator

from .types import TextDelta, Thinking

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_TAGS = {f"<{each}>": f"</{each}>" for each in _NAMES} | {"[think]": "[/think]", "◁think▷": "◁/think▷"}
_CLOSING = tuple(_TAGS.values())
_TAG = re.compile("|".join(map(re.escape, [*_TAGS, *_CLOSING])), re.IGNORECASE)
_FIRST = "<[◁"  # the first character of each tag
_QUOTES = ("`", '"', "'", "“", "‘", "«")
Piece = TextDelta | Thinking


class ThinkingSplitter:
    """Feed it the text of a reply in order. It returns thinking and answer as soon as they are certain.

    begins_open: the reply begins inside the thinking, because the prompt holds the opening tag.
    """

    def __init__(self, *, begins_open: bool = False) -> None:
        self._closing = "</think>" if begins_open else ""  # the end of the open block; "" outside of one
        self._was_opened = not begins_open  # else the block may turn out to be the answer
        self._had_block = False
        self._answer: list[str] = []
        self._thought: list[str] = []
        self._held = ""  # the end of the text, which may be a part of a tag

    def feed(self, text: str) -> list[Piece]:
        if not text:
            return []
        is_plain = "<" not in text and "[" not in text and "◁" not in text
        if is_plain and self._answer and not self._held and not self._closing:
            self._answer.append(text)
            return [TextDelta(text)]
        self._held += text
        return [piece for piece in self._advance() if piece.text or piece == Thinking("", True)]

    def close(self) -> list[Piece]:
        """Return the rest. Without any closing tag, a reply that should begin inside its thinking is an answer."""
        rest, self._held = self._held, ""
        if self._closing and not self._was_opened:
            return [TextDelta("".join(self._thought) + rest)]
        if not rest or not (self._closing or rest.strip() or self._answer):
            return []
        return [Thinking(rest) if self._closing else TextDelta(rest)]

    def _advance(self) -> Iterator[Piece]:
        while tag := self._find_tag():
            before, self._held = self._held[: tag.start()], self._held[tag.end() :]
            yield from self._pass(before, tag[0].lower())
        certain = len(self._held) - _undecided(self._held)
        if self._closing or self._answer or self._held[:certain].strip():
            text, self._held = self._held[:certain], self._held[certain:]
            yield self._thinking(text) if self._closing else self._answering(text)

    def _find_tag(self) -> re.Match[str] | None:
        """Return the next tag that counts."""
        for tag in _TAG.finditer(self._held):
            name = tag[0].lower()
            if name == self._closing or (not self._closing and self._counts(name, self._held[: tag.start()])):
                return tag
        return None

    def _counts(self, name: str, before: str) -> bool:
        """Tell whether a tag outside of a block counts, given the held text before it."""
        before = "".join(self._answer) + before
        if before.count("`") % 2 or before.endswith(_QUOTES):
            return False
        if name in _TAGS:
            return not before.rpartition("\n")[2].strip()
        return not self._had_block or not before.strip()  # a second closing tag says nothing

    def _pass(self, before: str, name: str) -> Iterator[Piece]:
        """Pass a tag."""
        if name == self._closing:
            yield self._thinking(before)
        elif name in _TAGS:
            if self._answer or before.strip():
                yield self._answering(before)
            self._closing = _TAGS[name]
            return
        elif not self._had_block:
            self._answer.clear()
            yield Thinking(before, takes_back=True)
        self._closing, self._had_block = "", True

    def _thinking(self, text: str) -> Thinking:
        if not self._was_opened:
            self._thought.append(text)
        return Thinking(text)

    def _answering(self, text: str) -> TextDelta:
        if self._had_block and not self._answer:
            text = text.lstrip()
        if text:
            self._answer.append(text)
        return TextDelta(text)


def without_thinking(text: str) -> str:
    """Return a whole reply without its thinking."""
    if not _TAG.search(text):
        return text
    splitter, answer = ThinkingSplitter(), ""
    for piece in [*splitter.feed(text), *splitter.close()]:
        if isinstance(piece, TextDelta):
            answer += piece.text
        elif piece.takes_back:
            answer = ""
    return answer


def _undecided(text: str) -> int:
    """Return how many characters at the end may be the beginning of a tag."""
    end = text[max(map(text.rfind, _FIRST)) :].lower() if any(each in text for each in _FIRST) else ""
    return len(end) if end and any(each.startswith(end) for each in (*_TAGS, *_CLOSING)) else 0
