"""Reads ZIP archives: the text of their files, each under its path."""

import zipfile
import zlib
from pathlib import Path

from documents.errors import Unreadable
from documents.parsing.encodings import decoded
from documents.parsing.types import DAMAGED, Extraction

from .members import MAX_FILE_BYTES, Member, Opened, Refused, read_members

VERSION = "1"
READS = {"application/zip"}
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1  # flags: APPNOTE.TXT, section 4.4.4
_SYSTEM_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            wanted = [entry for entry in entries if not _is_of_the_system(entry.filename)]
            names = _names(wanted, opened.languages)
            members = (_open(archive, entry, name) for entry, name in zip(wanted, names, strict=True))
            found = read_members(members, opened)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable(DAMAGED) from error
    facts = {"files": len(wanted), "files read": found.read}
    if hidden := len(entries) - len(wanted):
        facts["files of the operating system, left out"] = hidden
    if not found.sections and found.notes:
        raise Unreadable(f"No file in this archive could be read. {found.notes[0].text}")
    return Extraction(tuple(found.sections), None, "zip", VERSION, facts=facts, notes=found.shown_notes())


def _is_of_the_system(name: str) -> bool:
    return name.startswith(_SYSTEM_FILES[0]) or name.rpartition("/")[2] in _SYSTEM_FILES


def _names(entries: list[zipfile.ZipInfo], languages: tuple[str, ...]) -> list[str]:
    """Return the names. Old programs write them in the encoding of their computer and do not say which."""
    raw = [entry.filename.encode("utf-8" if entry.flag_bits & _UTF8_NAME else "cp437") for entry in entries]
    old = b"\n".join(
        name for name, entry in zip(raw, entries, strict=True) if not entry.flag_bits & _UTF8_NAME
    )
    recovered = iter(decoded(old, languages=languages).text.split("\n"))
    return [
        entry.filename if entry.flag_bits & _UTF8_NAME else next(recovered, entry.filename)
        for entry in entries
    ]


def _open(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Member | Refused:
    """Return the file, of which the archive may claim a wrong size."""
    if entry.flag_bits & _ENCRYPTED:
        return Refused(name, "It is protected by a password.")
    if entry.external_attr >> 28 == 0xA:  # a symbolic link
        return Refused(name, "It is a link to another file.")
    try:
        with archive.open(entry) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        return Refused(name, "It is damaged.")
    except NotImplementedError:
        return Refused(name, "It is compressed with a method that Ragsite does not read.")
    return Member(name, data)
