"""Reads what a PDF has besides its pages' text: form fields, comments and attached files (ISO 32000-2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pikepdf
from lxml import etree

from documents.parsing.containers.members import Member, Refused
from documents.parsing.parts import Parts

Box = tuple[float, float, float, float]  # left, bottom, right, top in points

_COMMENTS = {"/Text", "/FreeText", "/Highlight", "/Underline", "/StrikeOut", "/Squiggly", "/Caret", "/Stamp", "/Ink", "/Line",
             "/Square", "/Circle", "/Polygon", "/PolyLine", "/Redact"}  # fmt: skip
_RECORDINGS = {"/Sound", "/Movie", "/Screen", "/RichMedia", "/3D"}
_HIDDEN, _NO_VIEW = 1 << 1, 1 << 5  # flags of annotations: table 167
_PASSWORD, _RADIO, _PUSH_BUTTON = 1 << 13, 1 << 15, 1 << 16  # flags of fields: tables 229 and 231
_MAX_PARENTS = 32
_XFA_DATA = "{http://www.xfa.org/schema/xfa-data/1.0/}data"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form that is filled in. `place`: of its widget on the page."""

    name: str  # for people: its tooltip, else its name in the file
    value: str
    place: Box
    has_tooltip: bool
    is_check_box: bool = False


@dataclass(slots=True)
class Objects:
    fields: dict[int, list[Field]] = field(default_factory=dict)  # by page, from 0
    comments: dict[int, list[str]] = field(default_factory=dict)  # by page, from 0
    attached: list[Member | Refused] = field(default_factory=list)
    form_data: list[str] = field(default_factory=list)  # of an XFA form, which has no fields on pages
    is_portfolio: bool = False
    is_dynamic_form: bool = False  # its pages hold only a notice


def read_objects(path: Path, parts: Parts) -> Objects:
    """Return what the file has besides text. A file that only PDFium can open has nothing."""
    found = Objects()
    try:
        with pikepdf.open(path) as pdf:
            _read(pdf, found, parts)
    except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        parts.warn(
            "The structure of the file is damaged: form fields, comments or attached files may be missing."
        )
    return found


def _read(pdf: pikepdf.Pdf, found: Objects, parts: Parts) -> None:
    found.is_portfolio = "/Collection" in pdf.Root
    for name, item in pdf.attachments.items():
        _attach(found, item.filename or name, item.get_file())
    groups: set[Any] = set()
    for number, page in enumerate(pdf.pages):
        for annotation in page.get("/Annots", ()) or ():
            if isinstance(annotation, pikepdf.Dictionary):
                _annotation(annotation, number, found, parts, groups)
    form = pdf.Root.get("/AcroForm")
    if isinstance(form, pikepdf.Dictionary) and "/XFA" in form:
        found.is_dynamic_form = bool(pdf.Root.get("/NeedsRendering", False)) or not found.fields
        if not found.fields:
            found.form_data = list(_xfa_values(form["/XFA"]))


def _annotation(annotation: Any, page: int, found: Objects, parts: Parts, groups: set[Any]) -> None:
    kind = str(annotation.get("/Subtype", ""))
    is_hidden = bool(int(annotation.get("/F", 0)) & (_HIDDEN | _NO_VIEW))
    if kind == "/Widget":
        if filled := _field(annotation, groups, parts):
            if is_hidden:
                parts.leave_out("hidden form fields")
            else:
                parts.count("form fields")
                found.fields.setdefault(page, []).append(filled)
    elif kind == "/FileAttachment" and (specification := annotation.get("/FS")) is not None:
        _attach_annotated(found, specification)
    elif kind in _RECORDINGS:
        parts.leave_out("recordings")
    if kind in _COMMENTS | {"/FileAttachment"} and (text := _comment(annotation)):
        if is_hidden:
            parts.leave_out("hidden comments")
        else:
            parts.count("comments")
            found.comments.setdefault(page, []).append(text)


# --- comments -----------------------------------------------------------------------------------


def _comment(annotation: Any) -> str:
    """Return the words of a comment and who wrote it, "" for a mark without words or a change of its state."""
    if "/StateModel" in annotation:
        return ""
    text = _words(annotation.get("/Contents")) or _plain(_words(annotation.get("/RC")))
    author = _words(annotation.get("/T"))
    return f"Comment by {author}: {text}" if text and author else f"Comment: {text}" if text else ""


def _plain(rich: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", rich)).split())


def _words(value: Any) -> str:
    if isinstance(value, pikepdf.Stream):
        return value.read_bytes().decode("utf-8", "replace").strip()
    if isinstance(value, pikepdf.String | str):
        return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
    return ""


# --- forms --------------------------------------------------------------------------------------


def _field(widget: Any, groups: set[Any], parts: Parts) -> Field | None:
    """Return the field that a widget shows, None if it is empty, a button, or shown already."""
    kind, flags = str(_inherited(widget, "/FT") or ""), int(_inherited(widget, "/Ff") or 0)
    value = _inherited(widget, "/V")
    is_check_box = kind == "/Btn"
    match kind:
        case "/Tx" if flags & _PASSWORD:
            if _words(value):
                parts.leave_out("passwords")
            return None
        case "/Tx":
            text = _words(value) or _plain(_words(_inherited(widget, "/RV")))
        case "/Ch":
            text = ", ".join(_chosen(widget, value))
        case "/Btn" if flags & _PUSH_BUTTON:
            return None
        case "/Btn":
            text = _state(widget, value, bool(flags & _RADIO))
        case "/Sig":
            text = _signature(value)
        case _:
            return None
    if not text or (flags & _RADIO and kind == "/Btn" and _is_known(widget, groups)):
        return None
    tooltip = _words(_inherited(widget, "/TU"))
    left, bottom, right, top = (float(each) for each in widget.get("/Rect", (0, 0, 0, 0)))
    place = min(left, right), min(bottom, top), max(left, right), max(bottom, top)
    return Field(
        tooltip or _full_name(widget), text, place, bool(tooltip), is_check_box and not flags & _RADIO
    )


def _parents(widget: Any) -> Iterator[Any]:
    for _ in range(_MAX_PARENTS):
        yield widget
        widget = widget.get("/Parent")
        if not isinstance(widget, pikepdf.Dictionary):
            return


def _inherited(widget: Any, name: str) -> Any:
    return next((each[name] for each in _parents(widget) if name in each), None)


def _full_name(widget: Any) -> str:
    names = [_words(each.get("/T")) for each in _parents(widget)]
    name = next(filter(None, names), "")
    return re.sub(r"\[\d+\]$", "", name)  # generated forms number their fields: Name[0]


def _is_known(widget: Any, groups: set[Any]) -> bool:
    """Return whether another button of the group was read before."""
    parent = widget.get("/Parent", widget)
    key = parent.objgen if parent.is_indirect else id(parent)
    is_known = key in groups
    groups.add(key)
    return is_known


def _chosen(widget: Any, value: Any) -> Iterator[str]:
    """Yield the chosen options as the form shows them: an option may have another value than text."""
    shown = {}
    for option in _inherited(widget, "/Opt") or ():
        if isinstance(option, pikepdf.Array) and len(option) == 2:
            shown[_words(option[0])] = _words(option[1])
    for each in value if isinstance(value, pikepdf.Array) else [value]:
        if text := _words(each):
            yield shown.get(text, text)


def _state(widget: Any, value: Any, is_radio: bool) -> str:
    """Return "yes" or "no" for a check box, and the chosen option for radio buttons."""
    state = str(value or widget.get("/AS") or "/Off").removeprefix("/")
    if not is_radio:
        return "no" if state in ("Off", "") else "yes"
    if state in ("Off", ""):
        return ""
    options = _inherited(widget, "/Opt")
    if options is not None and state.isdigit() and int(state) < len(options):
        return _words(options[int(state)])
    return state


def _signature(value: Any) -> str:
    if not isinstance(value, pikepdf.Dictionary):
        return ""
    name, date = _words(value.get("/Name")), _words(value.get("/M"))
    when = f" on {date[2:6]}-{date[6:8]}-{date[8:10]}" if re.match(r"D:\d{8}", date) else ""
    return f"signed{f' by {name}' if name else ''}{when}"


def _xfa_values(xfa: Any) -> Iterator[str]:
    """Yield the values of an XFA form, which is XML in the file."""
    streams: list[Any] = (
        [each for each in xfa if isinstance(each, pikepdf.Stream)]
        if isinstance(xfa, pikepdf.Array)
        else [xfa]
    )
    for stream in streams:
        data = stream.read_bytes()
        if _XFA_DATA.partition("}")[0][1:].encode() not in data or b"<!DOCTYPE" in data:
            continue
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        for data_element in root.iter(_XFA_DATA) if root is not None else ():
            for leaf in data_element.iter():
                text = " ".join((leaf.text or "").split())
                if text and not len(leaf) and isinstance(leaf.tag, str):
                    yield f"{leaf.tag.rpartition('}')[2]}: {text}"


# --- attached files -----------------------------------------------------------------------------


def _attach(found: Objects, name: str, file: Any) -> None:
    if any(each.name == name and isinstance(each, Member) for each in found.attached):
        return  # an annotation shows a file of the list
    try:
        data = bytes(file.read_bytes())
    except pikepdf.PdfError:
        found.attached.append(Refused(name, "It is damaged."))
    else:
        found.attached.append(Member(name, data))


def _attach_annotated(found: Objects, specification: Any) -> None:
    if not isinstance(specification, pikepdf.Dictionary):
        return
    name = _words(specification.get("/UF")) or _words(specification.get("/F")) or "attached file"
    streams: Any = specification.get("/EF", {})
    stream = next((streams[key] for key in ("/UF", "/F") if key in streams), None)
    if isinstance(stream, pikepdf.Stream):
        _attach(found, name, stream)
