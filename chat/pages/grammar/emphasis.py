"""Emphasis beside the full-width punctuation of Chinese, Japanese and Korean.

CommonMark closes `**` after a punctuation character only before a space or another punctuation character. These
scripts have no spaces, so `は**「青色」**で` would keep its asterisks. Here a CJK character on the other side of the
mark is enough, and full-width punctuation counts as such a character. The idea is that of
https://github.com/tats-u/markdown-cjk-friendly/blob/main/specification.md
"""

import re
from collections.abc import MutableMapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token

# Blocks of Unicode, not scripts: those are the same in every version of Python and of the browsers.
CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u2fff\u3001-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U0001aff0-\U0001b16f\U0001f200-\U0001f2ff\U00020000-\U0003fffd]"
)


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        if not CJK.match(before) and not CJK.match(after):
            return scanned
        left = _flanks(before, after)
        right = _flanks(after, before)
        return Scanned(
            left and (canSplitWord or not right or _is_punctuation(before)),
            right and (canSplitWord or not left or _is_punctuation(after)),
            scanned.length,
        )


def _flanks(outside: str, inside: str) -> bool:
    if isWhiteSpace(ord(inside)):
        return False
    is_apart = isWhiteSpace(ord(outside)) or _is_punctuation(outside) or CJK.match(outside)
    return bool(is_apart) or not _is_punctuation(inside)


def _is_punctuation(character: str) -> bool:
    if CJK.match(character):
        return False
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


class InlineParser(ParserInline):
    """Parses inline Markdown with these delimiters."""

    def parse(
        self, src: str, md: MarkdownIt, env: MutableMapping[str, Any], tokens: list[Token]
    ) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens
