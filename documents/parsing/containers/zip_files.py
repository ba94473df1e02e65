"""Opens ZIP archives, which may be damaged in any part, and reads their members within limits.

`list_members` runs outside of the sandbox. Its limits apply before Python's zipfile makes an object for each member,
and it decompresses nothing: a few hundred bytes of bzip2 unpack to a gigabyte, whatever length the archive declares.
"""

import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from documents.errors import NotAccepted, Unreadable
from documents.parsing.types import DAMAGED, ENCRYPTED

MAX_UNPACKED_BYTES = 500 * 1024 * 1024  # of an Office file or e-book
MAX_UNPACKED_FILES = 10_000
_MAX_DIRECTORY_BYTES = 200 * MAX_UNPACKED_FILES  # each member takes 46 bytes and its name
_MAX_MARK_BYTES = 200
_ENCRYPTED = 0x1  # a flag: APPNOTE.TXT, section 4.4.4
# What zipfile and the decompressors raise for damaged data. A method that Python lacks is a NotImplementedError.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
_DIRECTORY_SIZE = 5  # the index in zipfile's record of the end of the central directory
_END_IS_BROKEN = "The file is damaged: its end is missing or broken. Choose another copy."
_TOO_MUCH = (
    f"The file unpacks to more than {MAX_UNPACKED_BYTES // 1024**2} MB or {MAX_UNPACKED_FILES:,} parts, "
    "which no ordinary document does. Split it, or save it again without large pictures."
)
_UNKNOWN_METHOD = "It is compressed with a method that Ragsite does not read. Compress it with Deflate."


@dataclass(frozen=True, slots=True)
class Listing:
    names: frozenset[str]
    mark: str  # the media type in the first member, as OpenDocument and EPUB declare it; "": there is none


def list_members(file: BinaryIO) -> Listing:
    """Return the names in an archive. Raises NotAccepted if it is damaged, or declares too much."""
    try:
        # zipfile reads as many entries as fit into this length, whatever count the archive declares.
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end and end[_DIRECTORY_SIZE] > _MAX_DIRECTORY_BYTES:
            raise NotAccepted(_TOO_MUCH)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAX_UNPACKED_FILES or sum(m.file_size for m in members) > MAX_UNPACKED_BYTES:
                raise NotAccepted(_TOO_MUCH)
            mark = _read_mark(archive, members[0]) if members and _is_mark(members[0]) else b""
    except BROKEN as error:
        raise NotAccepted(_END_IS_BROKEN) from error
    return Listing(frozenset(each.filename for each in members), mark.decode("ascii", "replace").strip())


def open_zip(file: Path | BinaryIO) -> zipfile.ZipFile:
    """Raises Unreadable for a damaged archive."""
    try:
        return zipfile.ZipFile(file)
    except BROKEN as error:
        raise Unreadable(DAMAGED) from error


def is_encrypted(member: zipfile.ZipInfo) -> bool:
    return bool(member.flag_bits & _ENCRYPTED)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Return a member's bytes. Raises Unreadable if they are damaged, encrypted or more than the limit.

    The limit counts what is unpacked: the archive may declare another size.
    """
    if is_encrypted(member):
        raise Unreadable(ENCRYPTED)
    try:
        with archive.open(member) as file:
            data = file.read(limit + 1)
    except NotImplementedError as error:
        raise Unreadable(_UNKNOWN_METHOD) from error
    except BROKEN as error:
        raise Unreadable(DAMAGED) from error
    if len(data) > limit:
        raise Unreadable(f"It unpacks to more than {limit // 1024**2} MB. Split it and add the parts.")
    return data


def _is_mark(member: zipfile.ZipInfo) -> bool:
    """Tell whether this member declares the media type, in a form that can be read in pieces.

    zipfile limits a piece only of stored and deflated data: bzip2 and LZMA unpack all that they have read.
    """
    is_bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return member.filename == "mimetype" and is_bounded and member.file_size < _MAX_MARK_BYTES


def _read_mark(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as mark:
        return mark.read(_MAX_MARK_BYTES)
