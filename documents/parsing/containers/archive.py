"""Reads ZIP archives: the text of their files, each under its path."""

import zipfile
from pathlib import Path

from documents.errors import Unreadable
from documents.parsing.encodings import decoded
from documents.parsing.types import Extraction

from .members import LINK, MAX_FILE_BYTES, Found, Member, Opened, Refused, read_members
from .zip_files import is_encrypted, open_zip, read_member

VERSION = "1"
READS = {"application/zip"}
_UTF8_NAME = 0x800  # a flag: APPNOTE.TXT, section 4.4.4
_SYSTEM_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    with open_zip(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        wanted = [entry for entry in entries if not is_of_the_system(entry.filename)]
        names = _names(wanted, opened.languages)
        members = (_open(archive, entry, name) for entry, name in zip(wanted, names, strict=True))
        found = read_members(members, opened)
    return extraction("zip", found, len(wanted), len(entries) - len(wanted))


def extraction(parser: str, found: Found, files: int, hidden: int) -> Extraction:
    """Return the text of an archive. files, hidden: how many it has, and how many more of the operating system.

    Raises Unreadable if none could be read.
    """
    facts = {"files": files, "files read": found.read}
    if hidden:
        facts["files of the operating system, left out"] = hidden
    if not found.sections and found.notes:
        raise Unreadable(f"No file in this archive could be read. {found.notes[0].text}")
    return Extraction(tuple(found.sections), None, parser, VERSION, facts=facts, notes=found.shown_notes())


def is_of_the_system(name: str) -> bool:
    """Return whether an operating system added the file, such as macOS the resource fork "._letter.doc"."""
    last = name.rpartition("/")[2]
    return name.startswith(_SYSTEM_FILES[0]) or last in _SYSTEM_FILES or last.startswith("._")


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
    if is_encrypted(entry):
        return Refused(name, "It is protected by a password.")
    if entry.external_attr >> 28 == 0xA:  # a symbolic link
        return Refused(name, LINK)
    try:
        return Member(name, read_member(archive, entry, MAX_FILE_BYTES))
    except Unreadable as error:
        return Refused(name, str(error))
