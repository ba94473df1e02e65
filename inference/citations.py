"""The form of a citation in an answer, `[2]`, and how to keep such text of a document from becoming one."""

import re

_LIST = r"\[\s*\d{1,3}(?:\s*,\s*\d{1,3})*\s*\]"
CITED = re.compile(rf"{_LIST}(?: ?{_LIST})*")  # [1], [1, 2], [1][2]
_OPENING = re.compile(rf"\[(?={_LIST[2:]})")


def escape_citations(text: str) -> str:
    r"""Return Markdown that shows the same text, and cites nothing: `\[2]` is only text."""
    return _OPENING.sub(r"\\[", text)
