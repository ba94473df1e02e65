"""Counts the parts of a file while it is read, for the record of what was read and what was not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from documents.parsing.containers.members import Found, Member, Opened, Refused, read_members
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedBlock, Extraction, Facts, ReadingNote

VERSION = "1"  # of our readers of Office files
_MOST_NAMES = 10


class Parts:
    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}
        self._embedded: list[Member | Refused] = []
        self._warnings: Counter[str] = Counter()

    def count(self, kind: str, how_many: int = 1) -> None:
        """Count parts that were read. kind: in the plural, such as "comments"."""
        self._read[kind] += how_many

    def leave_out(self, kind: str, name: str = "") -> None:
        """Count a part that was left out. kind: in the plural. name: for people, such as a sheet's."""
        self._left_out[kind] += 1
        if name:
            self._names.setdefault(kind, []).append(name)

    def embed(self, file: Member | Refused) -> None:
        """Keep a file within the file, to be read after it."""
        self._embedded.append(file)

    def read_embedded(self, opened: Opened) -> Found:
        """Return the text of the files within, and count them."""
        found = read_members(self._embedded, opened)
        if self._embedded:
            self.count("embedded files", len(self._embedded))
            self.count("embedded files read", found.read)
        return found

    def warn(self, sentence: str) -> None:
        self._warnings[sentence] += 1

    def facts(self) -> Facts:
        return dict(self._read)

    def notes(self) -> tuple[ReadingNote, ...]:
        return (
            *self._gaps(),
            *(ReadingNote("warning", text, count) for text, count in self._warnings.items()),
        )

    def _gaps(self) -> Iterator[ReadingNote]:
        for kind, count in self._left_out.items():
            yield left_out(kind, count, self._names.get(kind, ()))


def left_out(kind: str, count: int, names: Iterable[str] = ()) -> ReadingNote:
    """Return the note: "2 hidden sheets were left out: Drafts, Old." kind: in the plural."""
    each_once = list(dict.fromkeys(names))
    what = f"1 {_singular(kind)} was" if count == 1 else f"{count:,} {kind} were"
    tail = ", ".join(each_once[:_MOST_NAMES]) + (" and others" if len(each_once) > _MOST_NAMES else "")
    return ReadingNote("left_out", f"{what} left out{f': {tail}' if tail else ''}.", count)


def _singular(kind: str) -> str:
    return kind[:-2] if kind.endswith("xes") else kind.removesuffix("s")


def extraction(
    blocks: Iterable[ExtractedBlock],
    parts: Parts,
    opened: Opened,
    *,
    parser: str,
    properties: Mapping[str, str],
) -> Extraction:
    """Return the text of a file with that of the files within it."""
    sections = outline(blocks)
    found = parts.read_embedded(opened)
    return Extraction(
        (*sections, *found.sections),
        None,
        parser,
        VERSION,
        properties=properties,
        facts=parts.facts(),
        notes=(*parts.notes(), *found.shown_notes()),
    )
