"""Opens the package of an Office file (ECMA-376, part 2): a ZIP archive of XML parts and relationships."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from lxml import etree
from lxml.etree import _Element as Element

from documents.errors import Unreadable
from documents.parsing.containers.members import Member, Refused
from documents.parsing.containers.zip_files import open_zip, read_member
from documents.parsing.types import DAMAGED, ENTITIES, TOO_BIG

MAX_PART_BYTES = 300 * 1024**2
MAX_TREE_BYTES = 60 * 1024**2  # of XML that becomes a tree, which takes ten times as much memory
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DOCTYPE_UTF16 = re.compile("<!DOCTYPE".encode("utf-16-le"))
_CORE = "docProps/core.xml"
# The ISO standard has other names for the namespaces of ECMA-376 ("Strict Open XML").
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/\2"
# The elements of core.xml -> the usual names of properties
_PROPERTIES = {
    "title": "title", "subject": "subject", "creator": "author", "keywords": "keywords", "category": "category",
    "description": "description", "lastModifiedBy": "modified_by", "created": "created", "modified": "modified",
    "language": "language",
}  # fmt: skip


def parse(xml: bytes) -> Element:
    """Return the root of an XML part. Raises Unreadable for a damaged one, or one that defines entities."""
    refuse_entities(xml)
    try:
        return etree.fromstring(
            xml, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
        )
    except etree.XMLSyntaxError as error:
        raise Unreadable(DAMAGED) from error


def refuse_entities(xml: bytes) -> None:
    """Raise Unreadable if the XML may define entities, which can expand to gigabytes."""
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml or _DOCTYPE_UTF16.search(xml):
        raise Unreadable(ENTITIES)


def local(element: Element) -> str:
    """Return the element's name without its namespace, "" for a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


class Package:
    """An Office file. Its methods raise Unreadable if a part is damaged, too big or encrypted."""

    def __init__(self, path: Path) -> None:
        self._archive = open_zip(path)
        # Some programs write backslashes, or other letter cases than in the relationships
        self._members = {_key(each.filename): each for each in self._archive.infolist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    def bytes_of(self, name: str) -> bytes | None:
        """Return a part, None if the package has none of this name."""
        member = self._members.get(_key(name))
        return None if member is None else read_member(self._archive, member, MAX_PART_BYTES)

    def embedded(self, name: str, title: str) -> Member | Refused:
        """Return a file that is stored as a part. name: "" if the file is only linked. title: for people."""
        try:
            data = self.bytes_of(name) if name else None
        except Unreadable as error:
            return Refused(title, str(error))
        return Refused(title, "It is not stored in this file.") if data is None else Member(title, data)

    def xml(self, name: str) -> Element | None:
        """Return the root of an XML part, None if there is no such part."""
        data = self.bytes_of(name)
        if data and len(data) > MAX_TREE_BYTES:
            raise Unreadable(TOO_BIG)
        return parse(self.transitional(data)) if data else None

    @staticmethod
    def transitional(xml: bytes) -> bytes:
        """Return a part of Strict Open XML with the names of ECMA-376."""
        return _STRICT.sub(_TRANSITIONAL, xml)

    def optional_xml(self, name: str) -> Element | None:
        """Return the root of a part that the text can do without, None if it is missing or damaged."""
        try:
            return self.xml(name)
        except Unreadable:
            return None

    def relationships(self, name: str) -> dict[str, tuple[str, str]]:
        """Return the parts that a part refers to: relationship id -> the last word of its type, and the part's name.

        Leave out what is outside of the package.
        """
        folder, _, base = name.rpartition("/")
        root = self.optional_xml(f"{folder}/_rels/{base}.rels".lstrip("/"))
        return {} if root is None else dict(_targets(root, folder))

    def part_of_kind(self, kind: str, name: str = "") -> str | None:
        """Return the name of the first part of a kind, such as "styles", that a part refers to."""
        related = self.relationships(name).values()
        return next((target for each, target in related if each == kind), None)

    def properties(self) -> dict[str, str]:
        root = self.optional_xml(self.part_of_kind("core-properties") or _CORE)
        found = ((_PROPERTIES.get(local(each)), each.text) for each in root) if root is not None else ()
        return {name: text for name, text in found if name and text}


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _targets(root: Element, folder: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for each in root.iter(_RELATIONSHIP):
        target = each.get("Target", "")
        if target and each.get("TargetMode") != "External":
            kind = each.get("Type", "").rpartition("/")[2]
            path = unquote(target.partition("#")[0])
            yield (
                each.get("Id", ""),
                (kind, posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")),
            )
