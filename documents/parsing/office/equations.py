"""Writes equations of Office (OMML: ECMA-376, part 1, section 22.1) in one line: (a+b)/2, 10^6, √(x)."""

from collections.abc import Iterator

from lxml.etree import _Element as Element

from .package import local

_PROPERTIES = "Pr"  # the ending of the elements that hold properties
_MAX_DEPTH = 100


def text_of(element: Element, depth: int = 0) -> str:
    if depth > _MAX_DEPTH:
        return ""
    match local(element):
        case "t":
            return element.text or ""
        case "f":
            return f"{_operand(element, 'num', depth)}/{_operand(element, 'den', depth)}"
        case "sSup":
            return _part(element, "e", depth) + _power(element, depth)
        case "sSub":
            return _part(element, "e", depth) + _lowered(element, depth)
        case "sSubSup":
            return _part(element, "e", depth) + _lowered(element, depth) + _power(element, depth)
        case "sPre":
            return _power(element, depth) + _lowered(element, depth) + _part(element, "e", depth)
        case "rad":
            degree = _part(element, "deg", depth)
            return f"{f'root {degree} of ' if degree else '√'}({_part(element, 'e', depth)})"
        case "nary":
            limits = _lowered(element, depth) + _power(element, depth)
            return f"{_character(element, 'chr', '∫')}{limits} {_part(element, 'e', depth)}"
        case "d":
            return _delimited(element, depth)
        case "func":
            return f"{_part(element, 'fName', depth)} {_part(element, 'e', depth)}"
        case "limLow" | "limUpp":
            return f"{_part(element, 'e', depth)} ({_part(element, 'lim', depth)})"
        case "m":
            return f"[{'; '.join(_matrix_rows(element, depth))}]"
        case name if name.endswith(_PROPERTIES):
            return ""
        case _:
            return "".join(text_of(child, depth + 1) for child in element)


def _part(element: Element, name: str, depth: int) -> str:
    return "".join(text_of(child, depth + 1) for child in element if local(child) == name)


def _matrix_rows(element: Element, depth: int) -> Iterator[str]:
    for row in element:
        if local(row) == "mr":
            yield ", ".join(text_of(cell, depth + 1) for cell in row)


def _operand(element: Element, name: str, depth: int) -> str:
    text = _part(element, name, depth)
    return text if text.replace(".", "").isalnum() else f"({text})"


def _power(element: Element, depth: int) -> str:
    text = _part(element, "sup", depth)
    return f"^{text}" if len(text) <= 1 or text.isalnum() else f"^({text})" if text else ""


def _lowered(element: Element, depth: int) -> str:
    text = _part(element, "sub", depth)
    return f"_{text}" if text.isalnum() else f"_({text})" if text else ""


def _delimited(element: Element, depth: int) -> str:
    begin, separator, end = (
        _character(element, name, sign) for name, sign in (("begChr", "("), ("sepChr", "|"), ("endChr", ")"))
    )
    inner = separator.join(text_of(child, depth + 1) for child in element if local(child) == "e")
    return f"{begin}{inner}{end}"


def _character(element: Element, name: str, otherwise: str) -> str:
    """Return a sign that the element's own properties name."""
    properties = (each for child in element if local(child).endswith(_PROPERTIES) for each in child)
    found = next((each for each in properties if local(each) == name), None)
    return otherwise if found is None else next(iter(found.attrib.values()), "")
