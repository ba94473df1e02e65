"""Reads text files that need no parser."""

import html
import re
from pathlib import Path

from documents.errors import Unreadable

from . import markdown
from .encodings import decode
from .outline import outline
from .types import ENTITIES, ExtractedBlock, ExtractedSection

VERSION = "1"
READS = {"text/plain", "text/markdown", "application/xml"}

_NOT_CONTENT = re.compile(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>]*>", re.DOTALL | re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BETWEEN_ELEMENTS = re.compile(r"\s*(?:<[^<>]*>\s*){2,}")
_WITHIN_TEXT = re.compile(r"<[^<>]*>")


def read(path: Path, media_type: str) -> list[ExtractedSection]:
    text = decode(path.read_bytes(), declares=media_type == "application/xml")
    match media_type:
        case "text/markdown":
            return outline(markdown.blocks(text))
        case "application/xml":
            return outline([ExtractedBlock(_content(text))])
        case _:
            return outline([ExtractedBlock(text)])


def _content(xml: str) -> str:
    """Return the text between the tags.

    A line ends where elements meet; a tag within a text leaves nothing.
    """
    if "<!ENTITY" in xml:
        raise Unreadable(ENTITIES)
    text = _CDATA.sub(lambda found: html.escape(found[1]), _NOT_CONTENT.sub("", xml))
    return html.unescape(_WITHIN_TEXT.sub("", _BETWEEN_ELEMENTS.sub("\n", text)))
