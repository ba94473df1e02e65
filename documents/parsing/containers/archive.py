"""Reads ZIP archives: the text of their files, each under its path."""

import zipfile
from pathlib import Path

from documents.errors import Unreadable
from documents.parsing.encodings import decoded
from documents.parsing.types import Extraction

from .members import MAX_FILE_BYTES, Member, Opened, Refused, read_members
from .zip_files import is_encrypted, open_zip, read_member

VERSION = "1"
READS = {"application/zip"}
_UTF8_NAME = 0x800  # a flag: APPNOTE.TXT, section 4.4.4
_SYSTEM_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    with open_zip(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        wanted = [entry for entry in entries if not _is_of_the_system(entry.filename)]
        names = _names(wanted, opened.languages)
        members = (_open(archive, entry, name) for entry, name in zip(wanted, names, strict=True))
        found = read_members(members, opened)
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
    if is_encrypted(entry):
        return Refused(name, "It is protected by a password.")
    if entry.external_attr >> 28 == 0xA:  # a symbolic link
        return Refused(name, "It is a link to another file.")
    try:
        return Member(name, read_member(archive, entry, MAX_FILE_BYTES))
    except Unreadable as error:
        return Refused(name, str(error))
