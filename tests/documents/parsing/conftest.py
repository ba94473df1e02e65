import io
from collections.abc import Callable
from pathlib import Path

import pytest

from documents.ingestion.extract import Extraction, extract
from documents.parsing.media_types import recognise


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Extraction]:
    """Read a file as a worker does: recognised by its content, in the parser process."""

    def read(name: str, content: bytes, parser: str = "fast", **limits: object) -> Extraction:
        path = tmp_path / "stored"
        path.write_bytes(content)
        return extract(path, recognise(io.BytesIO(content), name).name, parser, **limits)  # type: ignore[arg-type]

    return read


def text_of(found: Extraction) -> str:
    return "\n".join(section.text for section in found.sections)


def sentences(found: Extraction) -> str:
    """Return what the report says was left out or may be wrong."""
    return "\n".join(note.text for note in found.notes)
