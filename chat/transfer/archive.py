"""Finds the JSON files in what a user imports: the file itself, or members of a ZIP archive, within limits.

ChatGPT's export is a ZIP archive with conversations.json, or with conversations-000.json and further ones, between
pictures and other files, which are not unpacked.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from chat.errors import ImportRefused

MOST_UNPACKED = 2 * 1024**3  # bytes of all JSON files of an archive
_MOST_RATIO = 200  # of the lengths after and before unpacking; JSON of conversations has 3 to 20
_MOST_DIRECTORY = (
    50 * 1024**2
)  # bytes; zipfile makes an object for each entry, which takes some 50 bytes there
_DIRECTORY_SIZE = 5  # the index in zipfile's record of the end of the central directory
_CONVERSATIONS = re.compile(r"conversations[-_ ()\d]*\.json", re.IGNORECASE)
_ENCRYPTED = 0x1  # a flag: APPNOTE.TXT, section 4.4.4
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)
_DAMAGED = "The ZIP archive is damaged, or was cut off. Download it again, and import it again."
_BOMB = (
    "The ZIP archive unpacks to more than any export of conversations. If it is one, import its JSON files."
)


class JsonFile:
    """One JSON file, which can be read more than once."""

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile | None = None, name: str = "") -> None:
        self._file, self._archive, self._name = file, archive, name

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Raises ImportRefused for damaged data, also while it is read."""
        if self._archive is None:
            self._file.seek(0)
            yield self._file
            return
        try:
            with self._archive.open(self._name) as member:
                yield member
        except _BROKEN as error:
            raise ImportRefused(_DAMAGED) from error


def json_files(file: BinaryIO) -> list[JsonFile]:
    """Return the JSON files to read, in the order of their numbers. Raises ImportRefused."""
    file.seek(0)
    start = file.read(4)
    if start.startswith(b"PK"):
        return _members(file)
    if not start:
        raise ImportRefused("The file is empty.")
    return [JsonFile(file)]


def _members(file: BinaryIO) -> list[JsonFile]:
    archive = _open(file)
    listed = [each for each in archive.infolist() if each.filename.lower().endswith(".json")]
    named = [each for each in listed if _CONVERSATIONS.fullmatch(PurePosixPath(each.filename).name)]
    chosen = sorted(named or _of_ragsite(listed), key=_number)
    if not chosen:
        raise ImportRefused(
            "The ZIP archive holds no conversations.json. Import the archive that ChatGPT sent you, or a JSON file."
        )
    _check(chosen)
    return [JsonFile(file, archive, each.filename) for each in chosen]


def _open(file: BinaryIO) -> zipfile.ZipFile:
    try:
        # zipfile reads as many entries as fit into this length, whatever count the archive declares.
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end and end[_DIRECTORY_SIZE] > _MOST_DIRECTORY:
            raise ImportRefused(_BOMB)
        return zipfile.ZipFile(file)
    except _BROKEN as error:
        raise ImportRefused(_DAMAGED) from error


def _of_ragsite(listed: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the JSON files at the top of an archive that a user packed; not what macOS puts beside them."""
    return [each for each in listed if "/" not in each.filename and not each.filename.startswith(".")]


def _number(member: zipfile.ZipInfo) -> tuple[str, int, str]:
    path = PurePosixPath(member.filename)
    number = re.search(r"(\d+)\.json$", path.name)
    return str(path.parent), int(number[1][-9:]) if number else -1, path.name


def _check(members: list[zipfile.ZipInfo]) -> None:
    if any(each.flag_bits & _ENCRYPTED for each in members):
        raise ImportRefused("The ZIP archive has a password. Unpack it, and import its JSON file.")
    if any(each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for each in members):
        raise ImportRefused(
            "The ZIP archive is not compressed with Deflate. Unpack it, and import its JSON file."
        )
    unpacked = sum(each.file_size for each in members)
    packed = sum(each.compress_size for each in members)
    if unpacked > MOST_UNPACKED or unpacked > 50 * 1024**2 + _MOST_RATIO * packed:
        raise ImportRefused(_BOMB)
