"""Reads TAR archives, also compressed ones, and single compressed files.

Nothing is written to disk: names are only titles, so neither an absolute path nor a link leads anywhere. The archive is
read as a stream that ends at a limit, because a few kilobytes unpack to any length.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from documents.errors import Unreadable
from documents.parsing.encodings import decoded
from documents.parsing.media_types import COMPRESSED, TAR, compression_of, is_tar
from documents.parsing.types import DAMAGED, TOO_BIG, Extraction

from .archive import extraction, is_of_the_system
from .members import LINK, MAX_FILE_BYTES, Budget, Member, Opened, Refused, read_members
from .zip_files import MAX_UNPACKED_BYTES, MAX_UNPACKED_FILES

READS = {TAR.name, COMPRESSED.name}
_BROKEN = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
_OPEN: dict[str | None, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, None: Path.open}
_HEAD_BYTES = 10  # that tell the compression
_HAS_NAME, _HAS_EXTRA = 0x8, 0x4  # flags of gzip: RFC 1952, section 2.3.1
_NO_FILE = "It is a device or a pipe, not a file."


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    with _damage_as_unreadable(), _stream(path, opened) as stream:
        start = stream.read(tarfile.BLOCKSIZE)
        if not is_tar(start):
            return _single(path, start + stream.read(MAX_FILE_BYTES), opened)
    with _damage_as_unreadable(), _stream(path, opened) as stream, _open(stream) as archive:
        files = _Files(archive, opened.languages)
        found = read_members(files.members(), opened)
    return extraction("tar", found, files.count, files.hidden)


@contextmanager
def _damage_as_unreadable() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise Unreadable(DAMAGED) from error


def _open(stream: "_Limited") -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry, encoding="utf-8", errors="surrogateescape")


class _Entry(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Raises Unreadable for a damaged header in the middle, which `tarfile` takes for the end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise Unreadable(DAMAGED) from error
            raise


def _stream(path: Path, opened: Opened) -> "_Limited":
    with path.open("rb") as file:
        compression = compression_of(file.read(_HEAD_BYTES))
    return _Limited(_OPEN[compression](path, "rb"), opened.budget)


class _Limited(io.RawIOBase):
    """A stream that refuses to yield more than one document may unpack."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._budget.streamed += len(data)
        if self._budget.streamed > MAX_UNPACKED_BYTES:
            raise Unreadable(TOO_BIG)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass
class _Files:
    """The files of an archive, counted while they are read."""

    archive: tarfile.TarFile
    languages: tuple[str, ...]
    count: int = 0
    hidden: int = 0  # files of the operating system
    declared_bytes: int = 0

    def members(self) -> Iterator[Member | Refused]:
        while entry := self.archive.next():
            self.archive.members = []  # type: ignore[attr-defined]  # else it keeps each header
            name = self._name(entry)
            if entry.isdir():
                continue
            if is_of_the_system(name):
                self.hidden += 1
                continue
            self.count += 1
            self.declared_bytes += entry.size  # a sparse file declares more than the archive holds
            if self.count > MAX_UNPACKED_FILES or self.declared_bytes > MAX_UNPACKED_BYTES:
                raise Unreadable(TOO_BIG)
            yield self._member(entry, name)

    def _name(self, entry: tarfile.TarInfo) -> str:
        """Return the name. Old programs write it in the encoding of their computer."""
        raw = entry.name.removeprefix("./").encode("utf-8", "surrogateescape")
        return decoded(raw, languages=self.languages).text

    def _member(self, entry: tarfile.TarInfo, name: str) -> Member | Refused:
        if entry.issym() or entry.islnk():
            return Refused(name, LINK)
        if not entry.isreg():
            return Refused(name, _NO_FILE)
        if entry.size > MAX_FILE_BYTES:
            return Refused(name, f"It unpacks to more than {MAX_FILE_BYTES // 1024**2} MB.")
        file = self.archive.extractfile(entry)
        return Member(name, file.read() if file else b"")


def _single(path: Path, data: bytes, opened: Opened) -> Extraction:
    """Return the text of a file that is compressed alone, under the name that its compression kept."""
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(TOO_BIG)
    return extraction("compressed file", read_members([Member(_name_in_gzip(path), data)], opened), 1, 0)


def _name_in_gzip(path: Path) -> str:
    """Return the file's name in the header of a gzip file, or "Compressed file"."""
    with path.open("rb") as file:
        head = file.read(1000)
    named, _, _ = head[10:].partition(b"\0")
    is_named = head.startswith(b"\x1f\x8b") and head[3] & (_HAS_NAME | _HAS_EXTRA) == _HAS_NAME
    return (is_named and decoded(named).text) or "Compressed file"
