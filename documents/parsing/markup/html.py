"""Prepares a web page for its parser: removes the parts that are not the page's own text."""

import re

_HEAD = re.compile(r"<head[\s>].*?</head\s*>", re.IGNORECASE | re.DOTALL)
_HIDDEN = re.compile(
    r"<(script|style|noscript|template|svg|ix:header)[\s>].*?</\1\s*>", re.IGNORECASE | re.DOTALL
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def own_text(html: str) -> str:
    """Return the page without its head, scripts, styles, comments and inline-XBRL's hidden facts."""
    return _HIDDEN.sub(" ", _HEAD.sub("", _COMMENT.sub("", html), count=1))
