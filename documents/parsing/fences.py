"""Fenced code: which lines open and close a fence.

The rules are CommonMark's: https://spec.commonmark.org/0.31.2/#fenced-code-blocks
"""

import re

_OPENING = re.compile(r" *(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_RUN = re.compile(r"`{3,}")
_MAX_INDENT = 3


def opening(line: str, *, is_in_item: bool = False) -> str:
    """Return the marks that open a fence, such as "````", or "". An item's fence may be indented further."""
    found = _OPENING.match(line)
    if found is None or (found.start(1) > _MAX_INDENT and not is_in_item):
        return ""
    return found[1]


def language(line: str) -> str:
    """Return the word after the marks that open a fence: "python" for "```python"."""
    return next(iter(line.strip(" `~\n").split()), "")


def closes(line: str, fence: str) -> bool:
    """Return whether the line closes this fence: the same mark, at least as often, and nothing else."""
    marks = line.strip()
    return len(marks) >= len(fence) and marks == fence[0] * len(marks)


def around(code: str) -> str:
    """Return a fence that this code does not close."""
    longest = max((len(run) for run in _RUN.findall(code)), default=2)
    return "`" * (longest + 1)
