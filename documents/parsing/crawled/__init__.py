"""Reads what a crawler fetched, in the sandbox: a page's links, and a feed's posts."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from documents.parsing.encodings import decode
from documents.parsing.types import ParseJob

from .feed import read_feed
from .page import read_page


def read(job: ParseJob) -> dict[str, Any]:
    """Return the fields of a Page or a Feed. Raises NotFetched."""
    data = Path(job.path).read_bytes()
    if job.task == "page":
        return asdict(read_page(decode(data, job.languages, declares=True), job.url))
    return asdict(read_feed(data, job.url, job.content_type))
