"""Chooses the reader for each file."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module, util
from pathlib import Path
from typing import Any

from documents.errors import Unreadable

from . import fast, plain, scans, slides
from .languages import language_of
from .properties import properties
from .types import NO_TEXT, TOO_LONG, Extraction, ParseJob

MAX_CHARACTERS = 20_000_000
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def warm_up(parser: str) -> None:
    """Import what this parser needs besides the fast one.

    This must not use kreuzberg: its threads would not survive a fork.
    """
    if parser == "layout" and _has_layout():
        _layout().warm_up()
    if parser == "web":
        import_module("documents.parsing.web")


def read(job: ParseJob, alive: Callable[[], None] = lambda: None) -> Extraction:
    """Return the file's text. alive: called while a long file makes progress. Raises Unreadable."""
    fast.SAID.clear()
    found = _read(job, alive)
    if not any(character.isalnum() for section in found.sections for character in section.text):
        raise Unreadable(NO_TEXT)
    if found.character_count > MAX_CHARACTERS:
        raise Unreadable(TOO_LONG.format(limit=MAX_CHARACTERS))
    return replace(
        found,
        language=language_of(found.sections, job.languages),
        properties=properties(Path(job.path), job.media_type, fast.SAID),
    )


def _read(job: ParseJob, alive: Callable[[], None]) -> Extraction:
    path = Path(job.path)
    if job.media_type in plain.READS:
        return Extraction(tuple(plain.read(path, job.media_type)), None, "plain", plain.VERSION)
    if job.media_type in slides.READS:
        return slides.read(path)
    if job.parser == "web":
        return _by(import_module("documents.parsing.web"), "trafilatura", path, job.media_type)
    if job.parser == "layout" and job.media_type in _layout().READS:
        return _by(_layout(), "unstructured", path, job.media_type)
    if job.media_type in scans.READS:
        return scans.read(path, job.media_type, job.languages, alive)
    try:
        return _by(fast, "kreuzberg", path, job.media_type)
    except Unreadable:
        # Measured: a missing picture makes kreuzberg fail, but not unstructured.
        if job.media_type != _PPTX or not _has_layout():
            raise
        return _by(_layout(), "unstructured", path, job.media_type)


def _has_layout() -> bool:
    return util.find_spec("unstructured") is not None


def _layout() -> Any:
    """Import unstructured, only when it is needed: it takes seconds and 400 MB. Raises Unreadable."""
    if not _has_layout():
        raise Unreadable(
            "This workspace reads files with the layout-aware parser, which is not installed here. "
            "Ask your operator to install ragsite[layout], or choose the fast parser in the settings."
        )
    # Its spaCy imports torch if it can, which takes longer than all the rest. Nothing here needs torch.
    sys.modules["torch"] = None  # type: ignore[assignment]
    return import_module("documents.parsing.layout")


def _by(module: Any, name: str, path: Path, media_type: str) -> Extraction:
    sections, pages = module.read(path, media_type)
    return Extraction(tuple(sections), pages, name, module.VERSION)
