"""Counts the automatic numbers of a Word document: "3.2", "a)", "IV." (ECMA-376, part 1, section 17.9)."""

import re
from collections import defaultdict
from dataclasses import dataclass

from lxml.etree import _Element as Element

from .word_styles import Style, W, numbering_of, value

_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
          (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""  # such as "%1.%2"


class Numbering:
    def __init__(self, root: Element | None) -> None:
        self._abstract: dict[str, str] = {}  # list id -> id of its definition
        self._levels: dict[str, dict[int, _Level]] = {}  # by the id of a list
        self._counts: dict[str, list[int | None]] = defaultdict(lambda: [None] * _LEVELS)  # by definition
        if root is not None:
            self._read(root)

    def _read(self, root: Element) -> None:
        definitions = {each.get(f"{W}abstractNumId", ""): each for each in root.iter(f"{W}abstractNum")}
        for number in root.iter(f"{W}num"):
            key, abstract = number.get(f"{W}numId", ""), value(number, "abstractNumId") or ""
            definition = definitions.get(abstract)
            levels = {} if definition is None else dict(map(_level_of, definition.iter(f"{W}lvl")))
            for override in number.iter(f"{W}lvlOverride"):
                at = _number(override.get(f"{W}ilvl"), 0)
                levels |= dict(map(_level_of, override.iter(f"{W}lvl")))
                if start := value(override, "startOverride"):
                    own = levels.get(at, _Level())
                    levels[at] = _Level(_number(start, 1), own.form, own.text)
                    abstract = f"{abstract} {key}"  # counts on its own
            self._abstract[key], self._levels[key] = abstract, levels

    def depth(self, properties: Element | None, style: Style) -> int:
        """Return the level of a paragraph in its list, from 0."""
        found = numbering_of(properties) or style.numbering
        return min(found[1], _LEVELS) if found else 0

    def label(self, properties: Element | None, style: Style) -> str:
        """Count this paragraph, and return its label: "3.2", "a)", "-" for a bullet, "" if it is in no list."""
        found = numbering_of(properties) or style.numbering
        if found is None or found[0] not in self._levels or found[1] >= _LEVELS:
            return ""
        key, at = found
        levels, counts = self._levels[key], self._counts[self._abstract[key]]
        level = levels.get(at, _Level(text=f"%{at + 1}."))
        before = counts[at]
        counts[at] = level.start if before is None else before + 1
        counts[at + 1 :] = [None] * (_LEVELS - at - 1)
        if level.form in ("bullet", "none"):
            return "-" if level.form == "bullet" else ""
        return _PLACE.sub(lambda place: _count(levels, counts, int(place[1]) - 1), level.text)


def _count(levels: dict[int, _Level], counts: list[int | None], at: int) -> str:
    level = levels.get(at, _Level())
    count = counts[at]
    return _written(level.start if count is None else count, level.form)


def _written(count: int, form: str) -> str:
    match form:
        case "lowerLetter" | "upperLetter" if count > 0:
            letters = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
            return letters.upper() if form == "upperLetter" else letters
        case "lowerRoman" | "upperRoman" if 0 < count < 4000:
            roman = _roman(count)
            return roman if form == "upperRoman" else roman.lower()
        case "decimalZero":
            return f"{count:02}"
        case _:
            return str(count)


def _roman(count: int) -> str:
    letters = ""
    for size, sign in _ROMAN:
        letters += sign * (count // size)
        count %= size
    return letters


def _level_of(element: Element) -> tuple[int, _Level]:
    level = _Level(
        _number(value(element, "start"), 1),
        value(element, "numFmt") or "decimal",
        value(element, "lvlText") or "",
    )
    return _number(element.get(f"{W}ilvl"), 0), level


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() else otherwise
