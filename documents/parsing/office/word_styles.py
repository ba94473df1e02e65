"""The styles of a Word document: which are headings and lists, and which hide their text."""

import re
from dataclasses import dataclass

from lxml.etree import _Element as Element

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"heading\s*([1-9])", re.IGNORECASE)
_BODY_LEVEL = 9  # an outline level of 9 means: no heading
_MAX_BASES = 20


@dataclass(frozen=True, slots=True)
class Style:
    level: int | None = None  # 1 is the outermost heading
    numbering: tuple[str, int] | None = None  # id and level of its list
    is_hidden: bool = False


def value(properties: Element | None, name: str) -> str | None:
    found = properties.find(f"{W}{name}") if properties is not None else None
    return None if found is None else found.get(f"{W}val")


def number(properties: Element | None, name: str, default: int) -> int:
    """Return the value of a property that is a number, or the default if it is absent or none."""
    found = value(properties, name) or ""
    return int(found) if found.isascii() and found.isdecimal() else default


def flag(properties: Element | None, name: str) -> bool:
    """Return the value of an on-off property (ECMA-376, part 1, 17.17.4)."""
    found = properties.find(f"{W}{name}") if properties is not None else None
    return found is not None and found.get(f"{W}val", "1").lower() not in ("0", "false", "off")


def numbering_of(properties: Element | None) -> tuple[str, int] | None:
    """Return the id and level of the list that these paragraph properties name."""
    found = properties.find(f"{W}numPr") if properties is not None else None
    if found is None or (key := value(found, "numId")) is None:
        return None
    level = value(found, "ilvl") or "0"
    return key, int(level) if level.isdigit() else 0


class Styles:
    def __init__(self, root: Element | None) -> None:
        each_style = () if root is None else root.iter(f"{W}style")
        self._elements = {each.get(f"{W}styleId", ""): each for each in each_style}
        self._known: dict[str, Style] = {"": Style()}

    def of(self, properties: Element | None) -> Style:
        """Return the style of a paragraph with these properties, which override it."""
        style = self.named(value(properties, "pStyle") or "")
        direct = _level(properties)
        numbering = numbering_of(properties)
        if direct is None and numbering is None:
            return style
        level = style.level if direct is None else None if direct >= _BODY_LEVEL else direct + 1
        return Style(level, numbering or style.numbering, style.is_hidden)

    def is_hidden(self, run_properties: Element | None) -> bool:
        if run_properties is None:
            return False
        if run_properties.find(f"{W}vanish") is not None:
            return flag(run_properties, "vanish")
        return self.named(value(run_properties, "rStyle") or "").is_hidden

    def named(self, key: str) -> Style:
        if key not in self._known:
            self._known[key] = self._resolve(key)
        return self._known[key]

    def _resolve(self, key: str) -> Style:
        """Return a style with what it inherits. The chain of its bases may be a circle."""
        level: int | None = None
        numbering: tuple[str, int] | None = None
        is_hidden = False
        seen: list[str] = []
        while key in self._elements and key not in seen and len(seen) < _MAX_BASES:
            seen.append(key)
            element = self._elements[key]
            properties = element.find(f"{W}pPr")
            if level is None:
                level = _level(properties)
            if level is None:
                level = _level_of_name(value(element, "name") or key)
            numbering = numbering or numbering_of(properties)
            is_hidden |= flag(element.find(f"{W}rPr"), "vanish")
            key = value(element, "basedOn") or ""
        is_heading = level is not None and level < _BODY_LEVEL
        return Style(level + 1 if level is not None and is_heading else None, numbering, is_hidden)


def _level(properties: Element | None) -> int | None:
    """Return the outline level from 0, None if the properties have none."""
    level = value(properties, "outlineLvl")
    return int(level) if level and level.isdigit() else None


def _level_of_name(name: str) -> int | None:
    """Return the outline level of Word's own styles, whose names are English in every language."""
    if name.lower() == "title":
        return 0
    found = _HEADING.fullmatch(name)
    return int(found[1]) - 1 if found else None
