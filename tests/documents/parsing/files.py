"""Small real files of each kind, made on the spot."""

import io
import struct
import tarfile
import zipfile
from email.message import EmailMessage

from docx import Document as Docx
from openpyxl import Workbook
from PIL import Image, ImageDraw, ImageFont
from pptx import Presentation
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

PROSE = (
    "Employees may carry over up to five unused days of leave. They must be used before the end of March.\n\n"
    "The HX-40 pump shows error E7 when the outlet pressure is above six bar. Open the relief valve.\n\n"
)


def pdf(*pages: str, password: str | None = None) -> bytes:
    out = io.BytesIO()
    encryption = StandardEncryption(password, canPrint=0) if password else None
    canvas = Canvas(out, encrypt=encryption)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(72, 760 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def scan() -> bytes:
    """A PDF that is only a drawing: no text layer."""
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.rect(100, 100, 200, 300, fill=1)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def picture(text: str, kind: str = "PNG") -> bytes:
    """Black letters on white, as a scanner would see them."""
    image = Image.new("L", (1400, 140 * (text.count("\n") + 2)), 255)
    ImageDraw.Draw(image).text((60, 60), text, font=ImageFont.load_default(72), fill=0, spacing=40)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def scanned(*pages: str, first: str = "") -> bytes:
    """A PDF of pictures; `first` is a page with a text layer before them."""
    out = io.BytesIO()
    canvas = Canvas(out)
    if first:
        canvas.drawString(72, 700, first)
        canvas.showPage()
    for page in pages:
        canvas.drawImage(ImageReader(io.BytesIO(picture(page))), 40, 400, width=500, preserveAspectRatio=True)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def odp(**parts: str) -> bytes:
    """Two slides, the second with a table and notes. Parts replace members of the archive."""
    content = (
        '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
        'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:presentation>'
        "<draw:page><draw:frame><draw:text-box><text:p>Wear <text:span>goggles</text:span>.</text:p></draw:text-box>"
        '</draw:frame><draw:frame presentation:class="title"><draw:text-box><text:p>Safety first</text:p>'
        "</draw:text-box></draw:frame></draw:page>"
        "<draw:page><presentation:notes><draw:frame><draw:text-box><text:p>Show the film</text:p></draw:text-box>"
        '</draw:frame></presentation:notes><draw:frame presentation:class="title"><draw:text-box><text:p>Prices</text:p>'
        "</draw:text-box></draw:frame><draw:frame><table:table><table:table-row><table:table-cell><text:p>Gasket"
        "</text:p></table:table-cell><table:table-cell><text:p>3 euro</text:p></table:table-cell></table:table-row>"
        "</table:table></draw:frame></draw:page></office:presentation></office:body></office:document-content>"
    )
    members: dict[str, str | bytes] = {"mimetype": "application/vnd.oasis.opendocument.presentation", "content.xml": content,
               "META-INF/manifest.xml": "<manifest/>"}  # fmt: skip
    return archive(members | parts)


def docx() -> bytes:
    document = Docx()
    document.add_heading("Handbook", 1)
    document.add_paragraph("Welcome to the company.")
    document.add_heading("Leave", 2)
    document.add_paragraph("You have 26 days of leave.")
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("Year", "Days"), ("2026", "26")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_heading("Travel", 1)
    document.add_paragraph("Take the train.")
    return saved(document)


def pptx() -> bytes:
    deck = Presentation()
    for title, body, note in (
        ("Safety first", "Wear goggles.", "Show the film"),
        ("Prices", "Valves cost 12 euro.", ""),
    ):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        if note:
            slide.notes_slide.notes_text_frame.text = note
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for row, cells in enumerate((("Part", "Price"), ("Gasket", "3 euro"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    return saved(deck)


def xlsx() -> bytes:
    book = Workbook()
    for sheet, rows in {
        "Cups": [("Team", "Wins"), ("Blues", 1)],
        "Costs": [("Item", "Euro"), ("Valve", 12)],
    }.items():
        page = book.create_sheet(sheet)
        for row in rows:
            page.append(row)
    del book["Sheet"]
    return saved(book)


def eml(signed: bool = False) -> bytes:
    message = EmailMessage()
    message["From"] = "Ana <ana@example.org>"
    message["To"] = "Tom <tom@example.org>"
    message["Subject"] = "Prüfung am Montag"
    message["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    message.set_content("The auditor comes at nine.\nBring the ledgers.\n")
    if signed:
        message.make_mixed()
        message.add_attachment(
            b"0\x00signature", maintype="application", subtype="pkcs7-signature", filename="smime.p7s"
        )
        message.set_type("multipart/signed")
    return message.as_bytes()


def epub(chapter: str | bytes = "") -> bytes:
    chapter = chapter or (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>One</title></head><body>'
        "<h1>The lighthouse</h1><p>It stood on a rock.</p><h2>The keeper</h2><p>He slept by day.</p></body></html>"
    )
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">x</dc:identifier>'
        "<dc:title>Lights</dc:title><dc:language>en</dc:language></metadata><manifest>"
        '<item id="c1" href="c1.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c1"/></spine></package>'
    )
    container = (
        '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "content.opf": package,
            "c1.xhtml": chapter,
        }
    )


def archive(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def tar(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    """Return a TAR archive. A member is a name, or a header for a link, a device or a file of any declared size."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in members:
            header = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(name, str):
                header.size = len(content)
            made.addfile(header, io.BytesIO(content))
    return out.getvalue()


def docx_bomb(unpacked_mb: int, *, admits: bool) -> bytes:
    """A Word file that unfolds into one enormous paragraph. One that does not admit it lies in its directory."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body>"
        + b"<w:p><w:r><w:t>bomb bomb</w:t></w:r></w:p>" * (unpacked_mb * 23_000)
        + b"</w:body></w:document>",
    }
    data = archive(parts)
    if admits:
        return data
    # Offset 24 of a central directory record is the unpacked size (PKWARE APPNOTE 4.3.12).
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", 1000) + data[at + 28 :]


def encrypted_office() -> bytes:
    """The head of an OLE file whose directory names an encrypted package, as Office writes it."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<H", head, 30, 9)  # sectors of 512 bytes
    struct.pack_into("<I", head, 48, 0)  # the directory is the first of them
    return bytes(head) + "EncryptedPackage".encode("utf-16-le").ljust(512, b"\0")


def saved(thing: object) -> bytes:
    out = io.BytesIO()
    thing.save(out)
    return out.getvalue()
