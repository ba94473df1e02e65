"""Task lists, as in GitHub Flavored Markdown: https://github.github.com/gfm/#task-list-items-extension-"""

import re
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_BOX = re.compile(r"\[([ xX])\](?=\s)")


def install(markdown: MarkdownIt) -> None:
    markdown.core.ruler.after("inline", "task_lists", _add_boxes)


def _add_boxes(state: StateCore) -> None:
    for item, (paragraph, inline) in zip(state.tokens, pairwise(state.tokens[1:]), strict=False):
        if item.type == "list_item_open" and paragraph.type == "paragraph_open":
            first = inline.children[0] if inline.children else None
            if first and first.type == "text" and (box := _BOX.match(first.content)):
                first.content = first.content[box.end() :]
                item.attrSet("class", "is-task")
                inline.children = [_box(is_done=box[1] != " "), *(inline.children or ())]


def _box(*, is_done: bool) -> Token:
    return Token("task", "span", 0, content="☑" if is_done else "☐", meta={"label": _LABELS[is_done]})


_LABELS = {True: "Done", False: "Not done"}
