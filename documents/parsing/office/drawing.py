"""The words in drawings of Office files (DrawingML): charts, diagrams, alternative texts and embedded objects."""

from collections.abc import Iterator, Mapping, Sequence

from lxml.etree import _Element as Element

from documents.parsing.markup import superscripts
from documents.parsing.markup.superscripts import Height
from documents.parsing.parts import Parts

from . import equations
from .package import Package, R, local

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
Related = Mapping[str, tuple[str, str]]  # as Package.relationships returns them
_PICTURES = ("blip", "imagedata")


def chart_texts(element: Element, package: Package, related: Related, parts: Parts) -> Iterator[str]:
    """Yield the text of each chart and diagram in a drawing."""
    for each in element.iter():
        match local(each):
            case "chart" if (key := each.get(f"{R}id")) in related:
                root = package.optional_xml(related[str(key)][1])
                if root is not None and (text := chart_text(root)):
                    parts.count("charts")
                    yield text
                else:
                    parts.leave_out("charts")
            case "relIds" if (key := each.get(f"{R}dm")) in related:
                root = package.optional_xml(related[str(key)][1])
                if root is not None and (text := "\n".join(_diagram_lines(root))):
                    parts.count("diagrams")
                    yield text


def chart_text(root: Element) -> str:
    """Return a chart's titles, and a row for each category with the values of all series."""
    titles = [text for title in root.iter(f"{C}title") if (text := _words(title))]
    head = [""]
    rows: dict[str, dict[int, str]] = {}
    for number, series in enumerate(root.iter(f"{C}ser")):
        head.append(_joined(series.find(f"{C}tx")) or f"Series {number + 1}")
        categories = _points(series, "cat", "xVal")
        for at, point in _points(series, "val", "yVal", "bubbleSize").items():
            row = rows.setdefault(categories.get(at, str(at + 1)), {})
            row[number] = point
    table = [[name, *(row.get(at, "") for at in range(len(head) - 1))] for name, row in rows.items()]
    return chart_lines(titles, [head, *table] if table else [])


def chart_lines(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a chart as text: its titles, then its data as a table."""
    return "\n".join([*filter(None, titles), *(f"| {' | '.join(cells)} |" for cells in rows)])


def _points(series: Element, *names: str) -> dict[int, str]:
    """Return the cached points by their index, written as their number format says."""
    found = next((each for name in names if (each := series.find(f"{C}{name}")) is not None), None)
    if found is None:
        return {}
    levels = list(found.iter(f"{C}lvl")) or [found]
    points: dict[int, str] = {}
    for level in reversed(levels):
        for point in level.iter(f"{C}pt"):
            text = (point.findtext(f"{C}v") or "").strip()
            at = int(point.get("idx", "0"))
            points[at] = f"{points[at]} {text}" if at in points else text
    return points


def _joined(element: Element | None) -> str:
    if element is None:
        return ""
    values = (each.text or "" for each in element.iter(f"{C}v"))
    return " ".join(values).strip() or _words(element)


def _words(element: Element) -> str:
    paragraphs = ("".join(each.text or "" for each in p.iter(f"{A}t")) for p in element.iter(f"{A}p"))
    return " ".join(filter(None, paragraphs)) or " ".join(each.text or "" for each in element.iter(f"{C}v"))


def _diagram_lines(root: Element) -> Iterator[str]:
    for paragraph in root.iter(f"{A}p"):
        if text := "".join(each.text or "" for each in paragraph.iter(f"{A}t")).strip():
            yield f"- {text}"


def words_of(body: Element) -> str:
    """Return the paragraphs of a text body, one per line."""
    lines = (superscripts.join(_runs(paragraph)).strip() for paragraph in body.iter(f"{A}p"))
    return "\n".join(line for line in lines if line)


def _runs(paragraph: Element) -> Iterator[tuple[str, Height]]:
    for child in paragraph:
        match local(child):
            case "r":
                baseline = child.find(f"{A}rPr")
                raised = int(_number(baseline.get("baseline")) if baseline is not None else 0)
                height: Height = "super" if raised > 0 else "sub" if raised < 0 else ""
                yield child.findtext(f"{A}t") or "", height
            case "br":
                yield "\n", ""
            case "fld" if not child.get("type", "").startswith(("slidenum", "datetime")):
                yield child.findtext(f"{A}t") or "", ""
            case "m":
                yield equations.text_of(child), ""
            case "AlternateContent" if len(child):
                yield from _runs(child[0])


def _number(text: str | None) -> float:
    """Return a thousandth of a percent, or a percentage with its sign (Strict Open XML)."""
    try:
        return float((text or "0").removesuffix("%"))
    except ValueError:
        return 0.0


def picture_texts(element: Element, parts: Parts) -> Iterator[str]:
    """Yield the alternative text of the pictures. Count the pictures, which are not read."""
    pictures = [each for each in element.iter() if local(each) in _PICTURES]
    for _ in pictures:
        parts.leave_out("pictures")
    if pictures:
        texts = (
            each.get("descr") or each.get("alt")
            for each in element.iter()
            if local(each) in ("docPr", "cNvPr", "shape")
        )
        yield from (
            f" [Picture: {' '.join(text.split())}] " for text in dict.fromkeys(texts) if text and text.strip()
        )


def keep_embedded(element: Element, package: Package, related: Related, parts: Parts) -> None:
    """Keep the files that are embedded in a drawing, to be read after the document."""
    for each in element.iter():
        if local(each) in ("OLEObject", "oleObj"):
            _, target = related.get(each.get(f"{R}id", ""), ("", ""))
            parts.embed(package.embedded(target, target.rpartition("/")[2] or "a linked file"))
