"""Office files written part by part, for what no library writes: tracked changes, hidden text, comments, forms."""

from tests.documents.parsing import files
from tests.documents.parsing.files import archive

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SPACES = (
    f'{W} xmlns:r="{_OFFICE}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" '
    'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"'
)
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_MAIN = {"word": "word/document.xml", "xl": "xl/workbook.xml", "ppt": "ppt/presentation.xml"}
_CHART = (
    "<c:chartSpace SPACES><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Pumps sold</a:t></a:r></a:p></c:rich></c:tx>"
    "</c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>North</c:v></c:pt>"
    "</c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>May</c:v></c:pt></c:strCache>"
    "</c:strRef></c:cat><c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>77</c:v></c:pt></c:numCache></c:numRef></c:val>"
    "</c:ser></c:barChart></c:plotArea></c:chart></c:chartSpace>"
)
_DIAGRAM = "<dgm:dataModel SPACES><dgm:pt><dgm:t><a:p><a:r><a:t>Order, pay, collect</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:dataModel>"


def package(
    kind: str, parts: dict[str, str | bytes], related: dict[str, dict[str, tuple[str, str]]]
) -> bytes:
    """Return an Office file. related: part -> relationship id -> its kind and target. SPACES declares namespaces."""
    links = {"": {"r1": ("officeDocument", _MAIN[kind])}} | related
    members: dict[str, str | bytes] = {"[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>'}
    for part, found in links.items():
        folder, _, base = part.rpartition("/")
        entries = "".join(
            f'<Relationship Id="{key}" Type="{_OFFICE}/{sort}" Target="{target}"/>'
            for key, (sort, target) in found.items()
        )
        name = f"{folder}/_rels/{base}.rels".lstrip("/")
        members[name] = f'<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'
    for name, content in parts.items():
        members[name] = content.replace("SPACES", _SPACES) if isinstance(content, str) else content
    return archive(members)


def p(*runs: str, properties: str = "") -> str:
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{''.join(runs)}</w:p>"


def r(text: str, properties: str = "") -> str:
    kept = f'<w:t xml:space="preserve">{text}</w:t>' if not text.startswith("<") else text
    return f"<w:r>{f'<w:rPr>{properties}</w:rPr>' if properties else ''}{kept}</w:r>"


def docx(body: str, **parts: str) -> bytes:
    """Return a Word document with this body. parts: name without .xml -> the content of its root."""
    roots = {"styles": "styles", "numbering": "numbering", "header": "hdr", "footer": "ftr", "footnotes": "footnotes",
             "endnotes": "endnotes", "comments": "comments"}  # fmt: skip
    members: dict[str, str | bytes] = {
        "word/document.xml": f"<w:document SPACES><w:body>{body}</w:body></w:document>",
        "word/charts/chart1.xml": _CHART,
        "word/diagrams/data1.xml": _DIAGRAM,
        "word/embeddings/sheet1.xlsx": files.xlsx(),
    }
    related = {"chart1": ("chart", "charts/chart1.xml"), "data1": ("diagramData", "diagrams/data1.xml"),
               "object1": ("package", "embeddings/sheet1.xlsx")}  # fmt: skip
    for name, content in parts.items():
        members[f"word/{name}.xml"] = f"<w:{roots[name]} SPACES>{content}</w:{roots[name]}>"
        related[name] = (name, f"{name}.xml")
    return package("word", members, {"word/document.xml": related})


_BOX = (
    "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:wsp><wps:txbx><w:txbxContent>"
    "<w:p><w:r><w:t>Words in a text box</w:t></w:r></w:p></w:txbxContent></wps:txbx></wps:wsp></w:drawing></mc:Choice>"
    "<mc:Fallback><w:pict><v:textbox><w:txbxContent><w:p><w:r><w:t>Words in a text box</w:t></w:r></w:p>"
    "</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


def everything_in_word() -> bytes:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    merged = "<w:tc><w:tcPr><w:vMerge{}/></w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    body = (
        p(r("The tender"), properties='<w:outlineLvl w:val="0"/>')
        + p(r("Give it every 1"), r("<w:noBreakHyphen/>"), r("2 hours, up to 10"), r("6", '<w:vertAlign w:val="superscript"/>'))
        + p(r("Keep this. "), f"<w:del>{r('<w:delText>Deleted words.</w:delText>')}</w:del>",
            f"<w:ins>{r('Inserted words.')}</w:ins>", f"<w:moveFrom>{r('Moved away.')}</w:moveFrom>",
            r("Invisible words.", "<w:vanish/>"))
        + p(r("Costs", ""), r('<w:footnoteReference w:id="2"/>'), r(" and dates"), r('<w:endnoteReference w:id="3"/>'),
            r('<w:commentReference w:id="4"/>'))
        + p(_BOX)
        + "<w:tbl><w:tr>" + cell.format("Region") + cell.format("Price") + "</w:tr>"
        + "<w:tr>" + merged.format(' w:val="restart"', "North") + cell.format("12") + "</w:tr>"
        + "<w:tr>" + merged.format("", "") + cell.format("14") + "</w:tr></w:tbl>"
        + "<w:sdt><w:sdtContent>" + p(r("In a content control")) + "</w:sdtContent></w:sdt>"
        + "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>" + p(r("Second control")) + "</w:sdtContent></w:sdt>"
        + p(r('<w:fldChar w:fldCharType="begin"/>'), r("<w:instrText> REF secret_code </w:instrText>"),
            r('<w:fldChar w:fldCharType="separate"/>'), r("Result of a field"), r('<w:fldChar w:fldCharType="end"/>'))
        + p(r('<w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData></w:fldChar>'),
            r('<w:fldChar w:fldCharType="end"/>'), r(" Insured"))
        + p(r('<w:sym w:font="Symbol" w:char="F0A3"/>'), r(" 5 bar"), r('<w:sym w:font="Wingdings" w:char="F0FE"/>'))
        + p("<m:oMath><m:sSup><m:e><m:r><m:t>r</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>")
        + p(r('<w:drawing><wp:docPr id="1" name="x" descr="A pump in a hall"/><a:blip r:embed="none"/></w:drawing>'))
        + p(r('<w:drawing><c:chart r:id="chart1"/></w:drawing>'), r('<w:drawing><dgm:relIds r:dm="data1"/></w:drawing>'))
        + p(r('<w:object><o:OLEObject ProgID="Excel.Sheet.12" r:id="object1"/></w:object>'))
        + p(r("First item"), properties='<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>')
        + p(r("Second item"), properties='<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>')
        + '<w:sectPr><w:headerReference r:id="header"/><w:footerReference r:id="footer"/></w:sectPr>'
    )  # fmt: skip
    return docx(
        body,
        header=p(r("Contract K-17")),
        footer=p(r("Confidential"), r('<w:fldChar w:fldCharType="begin"/>'), r("<w:instrText>PAGE</w:instrText>"),
                 r('<w:fldChar w:fldCharType="separate"/>'), r("93"), r('<w:fldChar w:fldCharType="end"/>')),
        footnotes=f'<w:footnote w:type="separator" w:id="0"><w:p/></w:footnote><w:footnote w:id="2">{p(r("Without tax."))}</w:footnote>',
        endnotes=f'<w:endnote w:id="3">{p(r("Working days."))}</w:endnote>',
        comments=f'<w:comment w:id="4" w:author="Ann">{p(r("Is this final?"))}</w:comment>',
        numbering='<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="lowerLetter"/>'
        '<w:lvlText w:val="%1)"/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>',
    )  # fmt: skip


# --- workbooks ----------------------------------------------------------------------------------


def xlsx(
    rows: str,
    *,
    formats: dict[int, str] | None = None,
    sheet: str = "",
    workbook: str = "",
    **parts: str | bytes,
) -> bytes:
    """Return a workbook with a sheet "Rates". rows, sheet: XML of its rows, and what follows them.

    formats: number formats by the index of the cell style. parts: further parts of the sheet, by their kind.
    """
    codes = formats or {}
    numbers = "".join(f'<numFmt numFmtId="{200 + at}" formatCode="{code}"/>' for at, code in codes.items())
    styles = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{200 + at}"/>' for at in sorted(codes))
    members: dict[str, str | bytes] = {
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" SPACES><sheets><sheet name="Rates" sheetId="1" r:id="s1"/>'
        f"{workbook}</sheets></workbook>",
        "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}"><numFmts>{numbers}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>',
        "xl/sheet1.xml": f'<worksheet xmlns="{_SHEET}" SPACES>{rows}{sheet}</worksheet>',
        "xl/sheet2.xml": f'<worksheet xmlns="{_SHEET}"><sheetData><row r="1"><c r="A1" t="str"><v>Secret margin</v></c></row></sheetData></worksheet>',
        "xl/charts/chart1.xml": _CHART,
    }
    related = {"xl/workbook.xml": {"s1": ("worksheet", "sheet1.xml"), "s2": ("worksheet", "sheet2.xml"), "st": ("styles", "styles.xml")},
               "xl/drawing.xml": {"chart1": ("chart", "charts/chart1.xml")}}  # fmt: skip
    related["xl/sheet1.xml"] = {name: (name, f"{name}.xml") for name in parts}
    members |= {f"xl/{name}.xml": content for name, content in parts.items()}
    return package("xl", members, related)


def row(number: int, *cells: str, attributes: str = "") -> str:
    return f'<row r="{number}" {attributes}>{"".join(cells)}</row>'


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def number_cell(place: str, number: float | str, style: int = 0, formula: str = "") -> str:
    return f'<c r="{place}" s="{style}">{f"<f>{formula}</f>" if formula else ""}<v>{number}</v></c>'


def everything_in_excel() -> bytes:
    rows = (
        '<cols><col min="4" max="4" hidden="1"/></cols><sheetData>'
        + row(1, text_cell("A1", "Guest"), text_cell("B1", "Discount"), text_cell("C1", "Arrival"), text_cell("D1", "Secret column"))
        + row(2, text_cell("A2", "Okafor"), number_cell("B2", 0.075, 1), number_cell("C2", 14.5 / 24, 2), text_cell("D2", "x"))
        + row(3, number_cell("B3", 0.5, 1, formula="B2*2"), number_cell("C3", 45356, 3))
        + row(4, text_cell("A4", "Secret row"), attributes='hidden="1"')
        + row(5, '<c r="A5" t="b"><v>1</v></c><c r="B5" t="e"><v>#N/A</v></c><c r="C5"><f>SUM(B2:B3)</f></c>')
        + row(6, '<c r="A6" t="inlineStr"><is><r><t>10</t></r><r><rPr><vertAlign val="superscript"/></rPr><t>6</t></r></is></c>')
        + '</sheetData><mergeCells><mergeCell ref="A2:A3"/></mergeCells>'
        "<headerFooter><oddHeader>&amp;L&amp;\"Arial,Bold\"&amp;12Price list 7&amp;RPage &amp;P</oddHeader></headerFooter>"
    )  # fmt: skip
    return xlsx(
        rows,
        formats={1: "0.0%", 2: "hh:mm", 3: "DD.MM.YYYY"},
        workbook='<sheet name="Margins" sheetId="2" state="veryHidden" r:id="s2"/>',
        comments=f'<comments xmlns="{_SHEET}"><authors><author>Ann</author></authors><commentList><comment ref="B2" authorId="0">'
        "<text><t>Only this year.</t></text></comment></commentList></comments>",
        drawing='<xdr:wsDr SPACES><xdr:sp><xdr:txBody><a:p><a:r><a:t>Words in a text box</a:t></a:r></a:p></xdr:txBody></xdr:sp>'
        '<xdr:graphicFrame><c:chart r:id="chart1"/></xdr:graphicFrame><xdr:pic><a:blip r:embed="x"/></xdr:pic></xdr:wsDr>',
        package=files.docx(),
    )  # fmt: skip


# --- presentations ------------------------------------------------------------------------------


def shape(text: str, kind: str = "", hidden: bool = False) -> str:
    paragraphs = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"{" hidden=" + chr(34) + "1" + chr(34) if hidden else ""}/><p:nvPr>{placeholder}'
        f"</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"
    )


def _slide(*shapes: str, attributes: str = "") -> str:
    return f"<p:sld SPACES {attributes}><p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld></p:sld>"


def everything_in_powerpoint() -> bytes:
    cells = "<a:tr><a:tc><a:txBody><a:p><a:r><a:t>Gasket</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>3 euro</a:t></a:r></a:p></a:txBody></a:tc></a:tr>"
    power = (
        '<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"/><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:r><a:t>20 m</a:t></a:r><a:r>'
        '<a:rPr baseline="30000"/><a:t>2</a:t></a:r></a:p></p:txBody></p:sp>'
    )
    first = _slide(
        shape("Below the title"), shape("Safety first", "title"), shape("Internal use", "ftr"), shape("7", "sldNum"), power,
        f"<p:grpSp>{shape('In a group')}<p:grpSp>{shape('In an inner group')}</p:grpSp></p:grpSp>",
        f"<p:graphicFrame><a:tbl>{cells}</a:tbl></p:graphicFrame>",
        '<p:graphicFrame><c:chart r:id="chart1"/></p:graphicFrame><p:graphicFrame><dgm:relIds r:dm="data1"/></p:graphicFrame>',
        '<p:pic><p:nvPicPr><p:cNvPr id="2" name="y" descr="A pump in a hall"/></p:nvPicPr><a:blip r:embed="x"/></p:pic>',
        '<p:graphicFrame><p:oleObj progId="Excel.Sheet.12" r:id="object1"/></p:graphicFrame>',
        shape("Hidden shape", hidden=True),
    )  # fmt: skip
    notes = f"<p:notes SPACES><p:cSld><p:spTree>{shape('Show the film', 'body')}{shape('8', 'sldNum')}</p:spTree></p:cSld></p:notes>"
    parts: dict[str, str | bytes] = {
        "ppt/presentation.xml": '<p:presentation SPACES><p:sldIdLst><p:sldId id="256" r:id="s1"/><p:sldId id="257" r:id="s2"/>'
        "</p:sldIdLst></p:presentation>",
        "ppt/slides/slide1.xml": first,
        "ppt/slides/slide2.xml": _slide(shape("Secret slide", "title"), attributes='show="0"'),
        "ppt/notes1.xml": notes,
        "ppt/comments1.xml": '<p:cmLst SPACES><p:cm authorId="0"><p:text>Too many words</p:text></p:cm></p:cmLst>',
        "ppt/authors.xml": '<p:cmAuthorLst SPACES><p:cmAuthor id="0" name="Ann"/></p:cmAuthorLst>',
        "ppt/charts/chart1.xml": _CHART,
        "ppt/embeddings/sheet1.xlsx": files.xlsx(),
        "ppt/diagrams/data1.xml": _DIAGRAM,
    }
    related = {
        "ppt/presentation.xml": {"s1": ("slide", "slides/slide1.xml"), "s2": ("slide", "slides/slide2.xml"),
                                 "a": ("commentAuthors", "authors.xml")},
        "ppt/slides/slide1.xml": {"n": ("notesSlide", "../notes1.xml"), "c": ("comments", "../comments1.xml"),
                                  "chart1": ("chart", "../charts/chart1.xml"), "data1": ("diagramData", "../diagrams/data1.xml"),
                                  "object1": ("package", "../embeddings/sheet1.xlsx")},
    }  # fmt: skip
    return package("ppt", parts, related)


# --- OpenDocument -------------------------------------------------------------------------------

_ODF = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (
        ("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"), ("style", "style"),
        ("presentation", "presentation"), ("form", "form"), ("chart", "chart"), ("svg", "svg-compatible"),
    )
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'  # fmt: skip


def opendocument(kind: str, body: str, styles: str = "", pages: str = "") -> bytes:
    """Return an OpenDocument file. kind: text, spreadsheet or presentation. pages: XML of page styles."""
    chart = (
        f"<office:document-content {_ODF}><office:body><office:chart><chart:chart><chart:title><text:p>Pumps sold</text:p></chart:title>"
        "<table:table><table:table-row><table:table-cell><text:p>May</text:p></table:table-cell><table:table-cell><text:p>77</text:p>"
        "</table:table-cell></table:table-row></table:table></chart:chart></office:chart></office:body></office:document-content>"
    )
    return archive(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {_ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {_ODF}>{pages}</office:document-styles>",
            "META-INF/manifest.xml": "<manifest/>",
            "Object 1/content.xml": chart,
        }
    )


_ANNOTATION = (
    "<office:annotation><dc:creator>Ann</dc:creator><text:p>Is this final?</text:p></office:annotation>"
)
_STYLES = (
    '<style:style style:name="up"><style:text-properties style:text-position="super 58%"/></style:style>'
    '<style:style style:name="gone"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="shut"><style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="off"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
)


def everything_in_odt() -> bytes:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>Deleted words</text:p></text:deletion></text:changed-region>"
        '</text:tracked-changes><text:h text:outline-level="1">The tender</text:h>'
        '<text:p>Up to 10<text:span text:style-name="up">6</text:span><text:span text:style-name="gone">Invisible words</text:span></text:p>'
        "<text:p>Costs<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation><text:note-body>"
        f"<text:p>Without tax.</text:p></text:note-body></text:note> and dates{_ANNOTATION}</text:p>"
        "<text:list><text:list-item><text:p>First item</text:p></text:list-item><text:list-item><text:p>Second item</text:p></text:list-item></text:list>"
        "<text:p><draw:frame><draw:text-box><text:p>Words in a text box</text:p></draw:text-box></draw:frame></text:p>"
        '<text:p><draw:frame><draw:image xlink:href="x.png"/><svg:desc>A pump in a hall</svg:desc></draw:frame></text:p>'
        '<text:p><draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></text:p>'
        '<text:p><draw:frame><draw:object-ole xlink:href="./Object 2"/></draw:frame></text:p>'
        '<text:section text:display="none"><text:p>Hidden section</text:p></text:section>'
        '<table:table><table:table-row><table:table-cell table:number-rows-spanned="2"><text:p>North</text:p></table:table-cell><table:table-cell>'
        "<text:p>12</text:p></table:table-cell></table:table-row><table:table-row><table:covered-table-cell/><table:table-cell><text:p>14</text:p>"
        "</table:table-cell></table:table-row></table:table>"
        '<office:forms><form:form><form:text form:name="Cost centre" form:current-value="KST-8842"/>'
        '<form:checkbox form:label="Insured" form:current-state="checked"/></form:form></office:forms>'
    )
    pages = (
        "<office:master-styles><style:master-page><style:header><text:p>Contract K-17</text:p></style:header><style:footer>"
        "<text:p>Confidential <text:page-number>93</text:page-number></text:p></style:footer></style:master-page></office:master-styles>"
    )
    return opendocument("text", body, _STYLES, pages)


def everything_in_ods() -> bytes:
    body = (
        '<table:table table:name="Rates"><table:table-column/><table:table-column/><table:table-column table:visibility="collapse"/>'
        "<table:table-row><table:table-cell><text:p>Okafor</text:p></table:table-cell><table:table-cell office:value-type='percentage' "
        f"office:value='0.075'>{_ANNOTATION}<text:p>7.5%</text:p></table:table-cell><table:table-cell><text:p>Secret column</text:p>"
        "</table:table-cell></table:table-row>"
        '<table:table-row table:visibility="collapse"><table:table-cell><text:p>Secret row</text:p></table:table-cell></table:table-row>'
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        "<table:shapes><draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></table:shapes></table:table>"
        '<table:table table:name="Margins" table:style-name="shut"><table:table-row><table:table-cell><text:p>Secret margin</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    )
    return opendocument("spreadsheet", body, _STYLES)


def everything_in_odp() -> bytes:
    body = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Safety first</text:p></draw:text-box></draw:frame>'
        "<draw:g><draw:frame><draw:text-box><text:p>In a group</text:p></draw:text-box></draw:frame></draw:g>"
        f"{_ANNOTATION}<draw:custom-shape><text:p>In a shape</text:p></draw:custom-shape>"
        "<presentation:notes><draw:frame><draw:text-box><text:p>Show the film</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>"
        '<draw:page draw:style-name="off"><draw:frame><draw:text-box><text:p>Secret slide</text:p></draw:text-box></draw:frame></draw:page>'
    )
    return opendocument("presentation", body, _STYLES)
