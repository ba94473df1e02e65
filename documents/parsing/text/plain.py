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
        blocks = [ExtractedBlock(json_text.with_json_unescaped(found.text))]
    return Extraction(tuple(outline(blocks)), None, "plain", VERSION, facts=found.facts, notes=found.notes)
