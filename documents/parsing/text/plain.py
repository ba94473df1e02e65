"""Reads text files that need no parser, and Markdown."""

from collections.abc import Sequence
from pathlib import Path

from documents.parsing import markdown
from documents.parsing.encodings import decoded
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedBlock, Extraction

from . import json_text

VERSION = "2"
READS = {"text/plain", "text/markdown"}


def read(path: Path, media_type: str, languages: Sequence[str] = ()) -> Extraction:
    found = decoded(path.read_bytes(), languages=languages)
    if media_type == "text/markdown":
        blocks = list(markdown.blocks(found.text))
    else:
        text = json_text.unescaped(found.text) if json_text.is_json(found.text) else found.text
        blocks = [ExtractedBlock(text)]
    return Extraction(tuple(outline(blocks)), None, "plain", VERSION, facts=found.facts, notes=found.notes)
