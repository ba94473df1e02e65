"""The child process: `python -m documents.parsing PATH MEDIA_TYPE PARSER`. Prints one JSON object.

{"sections": [[text, title_path, page], ...], "page_count", "parser", "version"} or {"unreadable": "..."}.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from importlib import import_module, util
from pathlib import Path
from typing import Any

from . import plain
from .types import NO_TEXT, TOO_LONG, ExtractedSection, Extraction, Unreadable

MAX_CHARACTERS = 20_000_000
MAX_REPLY_BYTES = 10 * MAX_CHARACTERS
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def confine(memory_bytes: int) -> None:
    """Die with the worker, use no more memory than this, and reach no network where Linux lets us."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_REPLY_BYTES, MAX_REPLY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def parse(path: Path, media_type: str, parser: str) -> Extraction:
    """Return the file's text. Raises Unreadable."""
    if media_type in plain.READS:
        return _checked(plain.read(path, media_type), None, "plain", plain.VERSION)
    if parser == "web":
        return _by(import_module("documents.parsing.web"), "trafilatura", path, media_type)
    if parser == "layout" and media_type in _layout().READS:
        return _by(_layout(), "unstructured", path, media_type)
    try:
        return _by(import_module("documents.parsing.fast"), "kreuzberg", path, media_type)
    except Unreadable:
        # Measured: a picture that is missing stops kreuzberg, and unstructured reads on.
        if media_type != _PPTX or util.find_spec("unstructured") is None:
            raise
        return _by(_layout(), "unstructured", path, media_type)


def _layout() -> Any:
    """Import unstructured only when it is wanted: it takes seconds and 400 MB."""
    if util.find_spec("unstructured") is None:
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


def main() -> None:
    path, media_type, parser, memory_bytes = sys.argv[1:]
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the reply
    confine(int(memory_bytes))
    try:
        found = parse(Path(path), media_type, parser)
    except Unreadable as error:
        json.dump({"unreadable": str(error)}, reply)
    else:
        sections = [(each.text, each.title_path, each.page) for each in found.sections]
        json.dump(
            {
                "sections": sections,
                "page_count": found.page_count,
                "parser": found.parser,
                "version": found.parser_version,
            },
            reply,
            ensure_ascii=False,
        )
    reply.close()


if __name__ == "__main__":
    main()
