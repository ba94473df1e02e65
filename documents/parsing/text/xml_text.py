"""Reads XML: the texts of its elements and their attributes."""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lxml import etree

from documents.errors import Unreadable
from documents.parsing.encodings import declared_label, decoded
from documents.parsing.outline import outline
from documents.parsing.types import ENTITIES, ExtractedBlock, Extraction, ReadingNote

VERSION = "1"
READS = {"application/xml"}

_NOT_CONTENT = re.compile(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>]*>", re.DOTALL | re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BETWEEN_ELEMENTS = re.compile(r"\s*(?:<[^<>]*>\s*){2,}")
_WITHIN_TEXT = re.compile(r"<[^<>]*>")
_BROKEN = "The XML is not well-formed. The text between its tags was read, the attributes were left out."


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    """Raises Unreadable."""
    data = path.read_bytes()
    found = decoded(data, declared_label(data), languages)
    if "<!ENTITY" in found.text:
        raise Unreadable(ENTITIES)
    root = _parse(found.text)
    inline: list[etree._Element] = []
    text = _between_tags(found.text) if root is None else "\n".join(_lines(root, inline))
    notes = [ReadingNote("warning", _BROKEN)] if root is None else _left_out(root, inline)
    return Extraction(
        tuple(outline([ExtractedBlock(text)])),
        None,
        "xml",
        VERSION,
        facts=found.facts,
        notes=(*found.notes, *notes),
    )


def _parse(text: str) -> etree._Element | None:
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, strip_cdata=False
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None


def _lines(element: etree._Element, inline: list[etree._Element]) -> Iterator[str]:
    """Yield the lines of an element: first its own text with its attributes, then those of its children.

    A child with text directly before or after it is a part of the sentence, and is added to `inline`.
    """
    about = ", ".join(f"{_local(name)}: {_one_line(value)}" for name, value in element.items())
    run, before = [element.text or ""], element.text or ""
    for child in element:
        after = child.tail or ""
        if not isinstance(child.tag, str):  # a comment or processing instruction
            before += after
        elif before.strip() or after.strip():
            run += _texts(child)
            inline += child.iter(etree.Element)
            before = after
        else:
            yield from _line("".join(run), about)
            yield from _lines(child, inline)
            run, about, before = [], "", ""
        run.append(after)
    yield from _line("".join(run), about)


def _line(text: str, about: str) -> Iterator[str]:
    text = "\n".join(filter(None, map(_one_line, text.split("\n"))))
    if text or about:
        yield f"{text} ({about})" if text and about else text or about


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _texts(element: etree._Element) -> Iterator[str]:
    """Yield the texts of the element and its descendants, without comments and processing instructions."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield from _texts(child)
        yield child.tail or ""


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _left_out(root: etree._Element, inline: Sequence[etree._Element]) -> Iterator[ReadingNote]:
    if comments := sum(1 for _ in root.iter(etree.Comment)):
        sentence = "1 comment was left out." if comments == 1 else f"{comments:,} comments were left out."
        yield ReadingNote("left_out", sentence, comments)
    if within := sum(len(element.attrib) for element in inline):
        sentence = "1 attribute" if within == 1 else f"{within:,} attributes"
        yield ReadingNote("left_out", f"Left out: {sentence} of elements within sentences.", within)


def _between_tags(xml: str) -> str:
    """Return the text between the tags, also of XML that is not well-formed.

    A line ends where elements meet; a tag within a text leaves nothing.
    """
    text = _CDATA.sub(lambda found: html.escape(found[1]), _NOT_CONTENT.sub("", xml))
    return html.unescape(_WITHIN_TEXT.sub("", _BETWEEN_ELEMENTS.sub("\n", text)))
