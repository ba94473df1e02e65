r"""Formulas in TeX: `$..$`, `$$..$$`, `\(..\)` and `\[..\]`, as their source with its marks. The browser draws them.

A dollar sign is mostly a price or a variable of a shell. So the marks of Pandoc's rule must stand close to the
formula (https://pandoc.org/MANUAL.html#math), on one line, not next to a letter or digit, and prose between two marks
is no formula.
"""

import regex
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

CLOSING = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_WORD = regex.compile(r"[\p{L}\p{N}]")
_SIGN = regex.compile(r"[\\^_{}=<>+]")  # of TeX: prose and prices have none
_PROSE = regex.compile(r"\p{L}{4,}|\s\p{L}{2,}|\p{L}{2,}\s")
_PRICES = [
    regex.compile(r"^[^\p{L}\p{N}\\({\[|+\-<.']"),  # $/km
    regex.compile(r"[\s(\[{,;:~/\-–]$"),  # (~$2.20) and (~$9)
    regex.compile(r"\*\*|~~|`"),  # 9 $ or **60$**
    regex.compile(r"^\d[^\\]*\s\p{L}{2,}\s"),  # $5 or 6$
]
_PRICES_WITHOUT_SIGN = [
    regex.compile(r"[^\p{L}\p{N}\s+\-*/|()\[\],.'!&]|\p{L}{3,}[^\p{L}]|[^\p{L}]\p{L}{3,}"),
    regex.compile(r"^\d.*\s"),  # $5, 6$
]
_ENDING = regex.compile(r"(?:th|s)(?!\p{L})")  # the $n$th
_BLANK = regex.compile(r"[ \t]*(?:\n|$)")
_CITATION = regex.compile(r"\s*\d+(?:\s*,\s*\d+)*\s*(?:\]|$)")  # `\[2]` is an escaped citation


def is_formula(text: str) -> bool:
    if not _WORD.search(text) or (_CITATION.match(text) and "]" in text):
        return False
    return bool(_SIGN.search(text)) or not _PROSE.search(text)


def install(markdown: MarkdownIt) -> None:
    markdown.inline.ruler.before("escape", "maths", _inline)
    markdown.block.ruler.before("fence", "maths_block", _block, {"alt": ["paragraph", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    opening = _opening(state.src, state.pos)
    if not opening:
        return False
    end = find_end(state.src, state.pos, opening, state.posMax)
    if end < 0:
        return False
    if not silent:
        token = state.push("maths", "span", 0)
        token.content = state.src[state.pos : end]
        token.markup = opening
    state.pos = end
    return True


def _opening(text: str, at: int) -> str:
    return next((mark for mark in (text[at : at + 2], text[at : at + 1]) if mark in CLOSING), "")


def find_end(text: str, start: int, opening: str, limit: int) -> int:
    """Return where the formula ends that begins at `start`, after its closing mark; -1 if none does."""
    low = start + len(opening)
    closing = CLOSING[opening]
    high = text.find(closing, low, limit)
    while opening == "$" and high > 0 and text[high - 1] == "\\":
        high = text.find(closing, high + 1, limit)
    if high < 0 or not _is_between(text, start, low, high, opening):
        return -1
    return high + len(closing)


def _is_between(text: str, start: int, low: int, high: int, opening: str) -> bool:
    formula = text[low:high]
    if opening == r"\[" and _CITATION.match(formula):
        return False
    if opening != "$":
        return is_formula(formula)
    before, after = text[max(0, start - 1) : start], text[high + 1 : high + 4]
    goes_on = _WORD.match(after) and not ("\\" in formula and after[0].isalpha()) and not _ENDING.match(after)
    is_apart = not _WORD.match(before) and before != "$" and not goes_on and after[:1] != "$"
    return is_apart and "\n" not in formula and is_formula(formula) and not _is_price(formula)


def _is_price(text: str) -> bool:
    rules = _PRICES if _SIGN.search(text) else _PRICES + _PRICES_WITHOUT_SIGN
    return any(rule.search(text) for rule in rules)


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take lines from an opening mark to a closing one at the end of a line, or to an empty line while it is missing."""
    if state.is_code_block(start):
        return False
    opening = state.src[state.bMarks[start] + state.tShift[start] :][:2]
    if opening not in ("$$", r"\["):
        return False
    after = _line_after(state, start, end, CLOSING[opening])
    text = state.getLines(start, after, state.blkIndent, False).strip()
    if not is_block(text, opening):
        return False
    if silent:
        return True
    token = state.push("maths_block", "div", 0)
    token.content = text
    token.map = [start, after]
    state.line = after
    return True


def _line_after(state: StateBlock, start: int, end: int, closing: str) -> int:
    for line in range(start, end):
        begin = state.bMarks[line] + state.tShift[line]
        if line > start and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return line
        if closing in state.src[begin + (2 if line == start else 0) : state.eMarks[line]]:
            return line + 1
    return end


def is_block(text: str, opening: str) -> bool:
    closing = CLOSING[opening]
    formula, mark, rest = text[2:].partition(closing)
    if rest.strip() or (opening == r"\[" and _CITATION.match(formula)):
        return False
    return is_formula(formula) if mark else bool(_BLANK.match(formula) or _SIGN.search(formula))
