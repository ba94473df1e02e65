"""Chooses the reader for each file."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module, util
from pathlib import Path
from typing import Any

from core.text import one_line
from documents.errors import NotAccepted, Unreadable

from . import encodings, fast, scans
from .containers import archive, mail, outlook, tar
from .containers.members import Opened, unforeseen_as_unreadable
from .languages import language_of
from .office import old_workbook, opendocument, presentation, word, workbook
from .pdf import document as pdf
from .properties import properties
from .text import delimited, json_text, notebook, plain, xml_text
from .types import MAX_CHARACTERS, NO_TEXT, TOO_LONG, Extraction, ParseJob, ReadingNote

log = logging.getLogger(__name__)

# media type -> its reader
_TEXTS: dict[str, Callable[[Path, Sequence[str]], Extraction]] = {
    name: module.read for module in (delimited, json_text, notebook, xml_text) for name in module.READS
}
_OFFICE = (old_workbook, opendocument, presentation, word, workbook)
_CONTAINERS: dict[str, Callable[[Path, Opened], Extraction]] = {
    name: module.read for module in (archive, mail, outlook, pdf, tar, *_OFFICE) for name in module.READS
}

_OFFICE_TYPES = {name for module in _OFFICE for name in module.READS}
_UNUSUAL = (
    "The file is unusual and was read in a simpler way: comments, notes and page headers may be missing, hidden parts are "
    "not left out, and numbers are without their formats. Open it in its program, save it again and add the new file."
)


def warm_up(parser: str) -> None:
    """Import what this parser needs besides the fast one, and load the models of the encoding detector.

    This must not use kreuzberg: its threads would not survive a fork.
    """
    encodings.warm_up()
    if parser == "layout" and _has_layout():
        _layout().warm_up()
    if parser == "web":
        import_module("documents.parsing.web")
        import_module("documents.parsing.crawled")


def read(job: ParseJob, alive: Callable[[], None] = lambda: None) -> Extraction:
    """Return the file's text. alive: called while a long file makes progress. Raises Unreadable."""
    found = _read(job, Opened(job, _read, alive))
    if not any(character.isalnum() for section in found.sections for character in section.text):
        gaps = (note.text for note in found.notes if note.kind == "left_out")
        raise Unreadable(" ".join((NO_TEXT, *gaps)))
    if found.character_count > MAX_CHARACTERS:
        raise Unreadable(TOO_LONG.format(limit=MAX_CHARACTERS))
    return replace(
        found,
        language=language_of(found.sections, job.languages),
        properties=properties(Path(job.path), job.media_type, found.properties, job.languages),
        facts={name: one_line(fact) if isinstance(fact, str) else fact for name, fact in found.facts.items()},
        notes=tuple(replace(note, text=one_line(note.text)) for note in found.notes),
    )


def _read(job: ParseJob, opened: Opened) -> Extraction:
    """Raises Unreadable and NotAccepted."""
    with unforeseen_as_unreadable(job.media_type):
        return _read_by_type(job, opened)


def _read_by_type(job: ParseJob, opened: Opened) -> Extraction:
    path = Path(job.path)
    if job.media_type in plain.READS:
        return plain.read(path, job.media_type, job.languages)
    if read_text := _TEXTS.get(job.media_type):
        return read_text(path, job.languages)
    if job.parser == "web" and job.media_type == "text/html":
        return _by(import_module("documents.parsing.web"), path, job.languages)
    if job.parser == "layout" and job.media_type in _layout().READS:
        return _by(_layout(), path, job.media_type)
    if job.media_type in _OFFICE_TYPES:
        return _read_office(job, opened)
    if read_container := _CONTAINERS.get(job.media_type):
        return read_container(path, opened)
    if job.media_type in scans.READS:
        return scans.read(path, job.languages)
    return fast.read(path, job.media_type, job.languages)


def _read_office(job: ParseJob, opened: Opened) -> Extraction:
    """Read an Office file. One that no standard explains is read by kreuzberg, with a warning."""
    try:
        return _CONTAINERS[job.media_type](Path(job.path), opened)
    except (Unreadable, NotAccepted, MemoryError):
        raise
    except Exception:
        log.warning("An Office file is unusual.", exc_info=True)
        found = fast.read(Path(job.path), job.media_type)
        return replace(found, notes=(*found.notes, ReadingNote("warning", _UNUSUAL)))


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


def _by(module: Any, *of_file: Path | str | Sequence[str]) -> Extraction:
    """Return what a module found that is imported only when it is needed."""
    found: Extraction = module.read(*of_file)
    return found
