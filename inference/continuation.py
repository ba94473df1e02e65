"""Continues an answer that was cut: where it is taken up again, and how the new words join the old ones.

A prompt whose last message is the assistant's holds the beginning of the answer. Some servers go on from its last
token (prefill). The others are asked to go on, in a message of their own: their models often repeat the last sentence,
or open the code block again.
"""

import re
from itertools import takewhile

from .types import ChatMessage

# For servers without prefill
GO_ON = ChatMessage(
    "user",
    "Your last message was cut off. Continue it from exactly where it stopped, in the same language and format. "
    "Begin with the next word: do not repeat anything, and add no introduction.",
)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_REOPENED = re.compile(r"\s*(`{3,}|~{3,})[^\n`]*\n")
_REOPENING = re.compile(r"\s*(`{0,2}|~{0,2}|(`{3,}|~{3,})[^\n`]*)$")
_LAST_WORD = re.compile(
    r"[^\s\u0e00-\u0eff\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]{1,80}$"
)
_TAIL = 600  # characters in which a repetition is looked for
# Letters and digits of a repetition. A shorter one may be meant, such as a closing brace: less so in a block of code that
# was opened again.
_MIN_REPEATED, _MIN_REPEATED_IN_REOPENED = 12, 3


def resume_point(text: str) -> str:
    """Return the text up to its last whole word, or in a block of code up to its last whole line.

    A model cannot go on within a word unless its server has prefill. Scripts without spaces lose nothing.
    """
    if is_in_code(text):
        return text[: text.rfind("\n") + 1]
    return _LAST_WORD.sub("", text)


def is_in_code(text: str) -> bool:
    """Return whether the text ends within a fenced block of code (CommonMark 0.31, section 4.5)."""
    opened = ""
    for fence in _FENCE.finditer(text):
        marks = fence[1]
        if not opened:
            opened = marks
        elif marks.startswith(opened) and fence[0].strip() == marks:
            opened = ""
    return bool(opened)


class Seam:
    """Joins the words of a model to the beginning of its answer: without repetitions, and without double white space.

    It holds words back only as long as they may be a repetition, so at most about _TAIL characters.
    """

    def __init__(self, begun: str) -> None:
        self._begun = begun
        self._is_in_code = is_in_code(begun)
        self._waiting = ""
        self._is_joined = not begun

    def feed(self, words: str) -> str:
        """Return what can be shown now, "" if nothing."""
        if self._is_joined:
            return words
        self._waiting += words
        return "" if self._may_repeat(self._waiting) else self.close()

    def close(self) -> str:
        """Return the rest. There is none once words have been shown."""
        words, self._waiting, self._is_joined = self._join(self._waiting), "", True
        return words

    def _may_repeat(self, words: str) -> bool:
        if self._is_in_code:
            if _REOPENING.match(words):
                return True
            words = _REOPENED.sub("", words, count=1) if _REOPENED.match(words) else words
        words, begun = words.lstrip(), self._begun.rstrip()
        return not words or begun.startswith(words) or words in begun[-_TAIL:]

    def _join(self, words: str) -> str:
        least = _MIN_REPEATED
        if self._is_in_code and (fence := _REOPENED.match(words)):
            words, least = words[fence.end() :], _MIN_REPEATED_IN_REOPENED
        begun = self._begun.rstrip()
        bare = words.lstrip()
        if repeated := _repeated(begun, bare, least):
            words = bare[repeated:]
        return words[_shared_space(self._begun[len(begun) :], words) :]


def _repeated(begun: str, words: str, least: int) -> int:
    """Return how many characters at the start of the words repeat the end of the text, or all of it.

    least: letters and digits in them.
    """
    if words.startswith(begun):
        return len(begun)
    tail = begun[-_TAIL:]
    sizes = range(min(len(tail), len(words)), 0, -1)
    found = next((size for size in sizes if tail.endswith(words[:size])), 0)
    return found if sum(map(str.isalnum, words[:found])) >= least else 0


def _shared_space(space: str, words: str) -> int:
    """Return how much of the white space at the start of the words is there already."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(space, words, strict=False))
    return sum(1 for _ in same)
