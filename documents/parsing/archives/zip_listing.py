"""Lists the members of a ZIP archive without unpacking anything: it runs outside of the sandbox.

The limits apply before Python's zipfile makes an object for each member, and nothing is decompressed: a few hundred
bytes of bzip2 unpack to a gigabyte, whatever length the archive declares.
"""

import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from documents.errors import NotAccepted

MAX_UNPACKED_BYTES = 500 * 1024 * 1024  # of an Office file or e-book
MAX_UNPACKED_FILES = 10_000
_MAX_DIRECTORY_BYTES = 200 * MAX_UNPACKED_FILES  # each member takes 46 bytes and its name
_MAX_MARK_BYTES = 200
_DIRECTORY_SIZE = 5  # the index in zipfile's record of the end of the central directory

_DAMAGED = "The file is damaged: its end is missing or broken. Choose another copy."
_TOO_MUCH = (
    f"The file unpacks to more than {MAX_UNPACKED_BYTES // 1024**2} MB or {MAX_UNPACKED_FILES:,} parts, "
    "which no ordinary document does. Split it, or save it again without large pictures."
)


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
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise NotAccepted(_DAMAGED) from error
    return Listing(frozenset(each.filename for each in members), mark.decode("ascii", "replace").strip())


def _is_mark(member: zipfile.ZipInfo) -> bool:
    """Tell whether this member declares the media type, in a form that can be read in pieces.

    zipfile limits a piece only of stored and deflated data: bzip2 and LZMA unpack all that they have read.
    """
    is_bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return member.filename == "mimetype" and is_bounded and member.file_size < _MAX_MARK_BYTES


def _read_mark(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as mark:
        return mark.read(_MAX_MARK_BYTES)
