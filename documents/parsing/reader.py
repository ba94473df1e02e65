"""Which reader gets a file."""

import sys
from importlib import import_module, util
from pathlib import Path
from typing import Any

from . import plain
from .types import NO_TEXT, TOO_LONG, ExtractedSection, Extraction, Job, Unreadable

MAX_CHARACTERS = 20_000_000
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def warm_up(parser: str) -> None:
    """Import what this parser takes longest for, without using it: threads would not survive a fork."""
    import_module("documents.parsing.fast")
    if parser == "layout" and _has_layout():
        _layout().warm_up()


def read(job: Job) -> Extraction:
    """Return the file's text. Raises Unreadable."""
    path = Path(job.path)
    if job.media_type in plain.READS:
        return _checked(plain.read(path, job.media_type), None, "plain", plain.VERSION)
    if job.parser == "layout" and job.media_type in _layout().READS:
        return _by(_layout(), "unstructured", path, job.media_type)
    try:
        return _by(import_module("documents.parsing.fast"), "kreuzberg", path, job.media_type)
    except Unreadable:
        # Measured: a picture that is missing stops kreuzberg, and unstructured reads on.
        if job.media_type != _PPTX or not _has_layout():
            raise
        return _by(_layout(), "unstructured", path, job.media_type)


def _has_layout() -> bool:
    return util.find_spec("unstructured") is not None


def _layout() -> Any:
    """Import unstructured only when it is wanted: it takes seconds and 400 MB."""
    if not _has_layout():
        raise Unreadable(
            "This workspace reads files with the layout-aware parser, which is not installed here. "
            "Ask your operator to install ragsite[layout], or choose the fast parser in the settings."
        )
    # Its spaCy looks for torch, and importing that takes longer than all the rest; nothing here needs it.
    sys.modules["torch"] = None  # type: ignore[assignment]
    return import_module("documents.parsing.layout")


def _by(module: Any, name: str, path: Path, media_type: str) -> Extraction:
    sections, pages = module.read(path, media_type)
    return _checked(sections, pages, name, module.VERSION)


def _checked(sections: list[ExtractedSection], pages: int | None, parser: str, version: str) -> Extraction:
    extraction = Extraction(tuple(sections), pages, parser, version)
    if not any(character.isalnum() for section in sections for character in section.text):
        raise Unreadable(NO_TEXT)
    if extraction.character_count > MAX_CHARACTERS:
        raise Unreadable(TOO_LONG.format(limit=MAX_CHARACTERS))
    return extraction
