"""The Markdown of answers: CommonMark with tables, strikethrough, task lists, maths and citations.

The same grammar runs in the browser while an answer is written (static/js/markdown/): markdown-it there,
markdown-it-py here, with the same rules of our own. tests/pages/test_live_text.py compares both.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from . import citations, emphasis, maths, task_lists
from .citations import Citation

__all__ = ["Citation", "grammar"]

_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def grammar(renderer: type[RendererHTML]) -> MarkdownIt:
    """Return the parser. The environment of a text has `citations`, by number: Mapping[int, Citation]."""
    markdown = MarkdownIt(renderer_cls=renderer)
    markdown.inline = emphasis.InlineParser()
    markdown.configure("commonmark", {"html": False})
    markdown.enable(["table", "strikethrough"])
    # "[1]: Handbook" at the end of an answer is a list of sources, not a link reference definition that would
    # turn every [1] into a link.
    markdown.disable("reference")
    markdown.validateLink = _is_link  # type: ignore[method-assign]
    maths.install(markdown)
    task_lists.install(markdown)
    citations.install(markdown)
    return markdown


def _is_link(url: str) -> bool:
    return bool(_LINK.match(url))
