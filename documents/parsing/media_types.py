"""Recognises the media type of a file by its content. Pure: no database, no parser.

The name only decides between kinds of text, which the content cannot tell apart (.md, .csv, .txt).
"""

import re
import struct
import tarfile
from dataclasses import dataclass
from typing import BinaryIO, Literal

import filetype

from documents.errors import NotAccepted
from documents.parsing.containers.zip_files import list_members
from documents.parsing.encodings import decode

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"

HEAD_BYTES = 65_536  # read to tell text from other content


@dataclass(frozen=True, slots=True)
class MediaType:
    name: str  # as in Content-Type
    label: str  # with its article, for sentences
    extensions: tuple[str, ...]
    is_text: bool = False


PDF = MediaType("application/pdf", "a PDF", ("pdf",))
DOCX = MediaType(f"{_OOXML}.wordprocessingml.document", "a Word document", ("docx", "docm", "dotx"))
PPTX = MediaType(
    f"{_OOXML}.presentationml.presentation", "a PowerPoint presentation", ("pptx", "pptm", "ppsx")
)
XLSX = MediaType(f"{_OOXML}.spreadsheetml.sheet", "an Excel workbook", ("xlsx", "xlsm"))
ODT = MediaType(f"{_ODF}.text", "an OpenDocument text", ("odt",))
ODS = MediaType(f"{_ODF}.spreadsheet", "an OpenDocument spreadsheet", ("ods",))
ODP = MediaType(f"{_ODF}.presentation", "an OpenDocument presentation", ("odp",))
EPUB = MediaType("application/epub+zip", "an EPUB book", ("epub",))
DOC = MediaType("application/msword", "an old Word document", ("doc",))
XLS = MediaType("application/vnd.ms-excel", "an old Excel workbook", ("xls",))
PPT = MediaType("application/vnd.ms-powerpoint", "an old PowerPoint presentation", ("ppt",))
MSG = MediaType("application/vnd.ms-outlook", "an Outlook message", ("msg",))
RTF = MediaType("application/rtf", "a rich text file", ("rtf",))
PNG = MediaType("image/png", "a PNG picture", ("png",))
JPEG = MediaType("image/jpeg", "a JPEG picture", ("jpg", "jpeg"))
TIFF = MediaType("image/tiff", "a TIFF picture", ("tif", "tiff"))
HTML = MediaType("text/html", "a web page", ("html", "htm", "xhtml"), is_text=True)
MARKDOWN = MediaType("text/markdown", "a Markdown file", ("md", "markdown"), is_text=True)
CSV = MediaType("text/csv", "a CSV table", ("csv",), is_text=True)
TSV = MediaType("text/tab-separated-values", "a TSV table", ("tsv",), is_text=True)
JSON = MediaType("application/json", "a JSON file", ("json", "jsonl", "ndjson", "geojson"), is_text=True)
IPYNB = MediaType("application/x-ipynb+json", "a Jupyter notebook", ("ipynb",), is_text=True)
MBOX = MediaType("application/mbox", "a mailbox", ("mbox",), is_text=True)
ZIP = MediaType("application/zip", "a ZIP archive", ("zip",))
TAR = MediaType("application/x-tar", "a TAR archive", ("tar",))
# A compressed TAR archive, or a single compressed file: only decompression tells.
COMPRESSED = MediaType(
    "application/gzip", "a compressed file", ("gz", "tgz", "bz2", "tbz", "tbz2", "xz", "txz")
)
EML = MediaType("message/rfc822", "an e-mail", ("eml",), is_text=True)
XML = MediaType("application/xml", "an XML file", ("xml", "nxml"), is_text=True)
TEXT = MediaType(
    "text/plain", "plain text", ("txt", "text", "log", "yaml", "rst", "org", "tex"), is_text=True
)

TYPES = (PDF, DOCX, PPTX, XLSX, ODT, ODS, ODP, EPUB, DOC, XLS, PPT, MSG, RTF, PNG, JPEG, TIFF,
         HTML, MARKDOWN, CSV, TSV, JSON, IPYNB, EML, MBOX, ZIP, TAR, COMPRESSED, XML, TEXT)  # fmt: skip
_BY_EXTENSION = {extension: kind for kind in TYPES for extension in kind.extensions}
BY_NAME = {kind.name: kind for kind in TYPES}

ACCEPTED = (
    "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, HTML, Markdown, CSV, JSON, XML, notebooks, e-mail, "
    "mailboxes, ZIP and TAR archives, pictures of text and plain text"
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Office files before 2007, and encrypted Office files since
_OLE_STREAMS = (
    ("EncryptedPackage", None),
    ("__properties_version1.0", MSG),
    ("WordDocument", DOC),
    ("Workbook", XLS),
    ("PowerPoint Document", PPT),
)
_PICTURES = ((b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG), (b"II*\0", TIFF), (b"MM\0*", TIFF))
_COMPRESSIONS = re.compile(rb"(?P<gzip>\x1f\x8b\x08)|(?P<bzip2>BZh[1-9]1AY&SY)|(?P<xz>\xfd7zXZ\0)")
_TARS = (TAR, COMPRESSED)
# Archives that Ragsite does not open, as `filetype` names them.
_OTHER_ARCHIVES = {
    "application/x-7z-compressed": "7z",
    "application/x-rar-compressed": "RAR",
    "application/vnd.rar": "RAR",
    "application/zstd": "Zstandard",
    "application/x-lz4": "LZ4",
    "application/x-lzip": "lzip",
    "application/x-compress": "compress",
    "application/vnd.ms-cab-compressed": "CAB",
    "application/x-unix-archive": "ar",
}
_UNPACK = "Unpack it and add the files in it, or pack them as ZIP and add that."
_MAILBOX = re.compile(r"from \S+ [^\n]*\d\d:\d\d[^\n]*\n[!-9;-~]+:")  # in lower case
_MAIL_HEADER = re.compile(
    r"^(received|from|to|subject|date|message-id|mime-version|return-path|content-type):", re.I | re.M
)


def recognise(file: BinaryIO, name: str) -> MediaType:
    """Return the file's media type.

    Raises NotAccepted, also if the name's extension contradicts the content.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    named = _BY_EXTENSION.get(extension)
    found = _by_content(file, head, named)
    if (
        named
        and named is not found
        and not (named.is_text and found.is_text)
        and not {named, found} <= set(_TARS)
    ):
        raise NotAccepted(
            f"The name ends in .{extension}, but the content is {found.label}. "
            f"Rename it to .{found.extensions[0]}, or choose the file you meant."
        )
    return found


def kind_of_name(name: str) -> MediaType | None:
    """Return the media type that a file's name declares."""
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None


def type_of_name(name: str) -> str:
    """Return the Content-Type for a file of this name."""
    kind = kind_of_name(name)
    return kind.name if kind else "application/octet-stream"


def _by_content(file: BinaryIO, head: bytes, named: MediaType | None) -> MediaType:
    if b"%PDF-" in head[:1024]:
        return PDF
    if head.startswith(b"{\\rtf"):
        return RTF
    for magic, kind in _PICTURES:
        if head.startswith(magic):
            return kind
    if head.startswith(_OLE):
        return _ole(file, head)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        found = list_members(file)
        return _package(found.names, found.mark, named)
    if compression_of(head):
        return COMPRESSED
    if is_tar(head):
        return TAR
    text = decode(head, declares=True)
    if looks_like_text(head, text):
        return _kind_of_text(text, named)
    raise NotAccepted(_unknown(head, named))


def _unknown(head: bytes, named: MediaType | None) -> str:
    guess = filetype.guess_mime(head) or ""
    if guess.startswith("image/"):
        return "Ragsite does not read this kind of picture. Save it as PNG, JPEG or PDF and add that."
    if guess.startswith(("audio/", "video/")):
        return "This is a recording. Ragsite only reads text: add a transcript."
    if kind := _OTHER_ARCHIVES.get(guess):
        return f"This is an archive that Ragsite does not open ({kind}). {_UNPACK}"
    if named:
        return f"The name says {named.label}, but the content is not. It may be damaged: choose another copy."
    return f"Ragsite does not read this kind of file. Add {ACCEPTED}."


# --- containers ---------------------------------------------------------------------------------


def _package(names: frozenset[str], mimetype: str, named: MediaType | None) -> MediaType:
    if mimetype in BY_NAME:
        return BY_NAME[mimetype]
    if "META-INF/container.xml" in names:
        return EPUB
    for folder, kind in (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX)):
        if "[Content_Types].xml" in names and any(name.startswith(folder) for name in names):
            return kind
    if mimetype.startswith(_ODF):
        raise NotAccepted(
            "Ragsite does not read this kind of OpenDocument. Save it as PDF or in Office format and add that."
        )
    if named is ZIP:
        return ZIP
    raise NotAccepted(f"This is an archive. {_UNPACK}")


def compression_of(head: bytes) -> Literal["gzip", "bzip2", "xz"] | None:
    """Return what compressed the file, by its first bytes (RFC 1952 for gzip)."""
    found = _COMPRESSIONS.match(head)
    return found.lastgroup if found else None  # type: ignore[return-value]


def is_tar(head: bytes) -> bool:
    """Return whether the file begins with a header whose checksum is right: old archives have no other mark."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _ole(file: BinaryIO, head: bytes) -> MediaType:
    """Return the type of an OLE file by the names in its directory ([MS-CFB] 2.2, 2.6).

    Raises NotAccepted.
    """
    head = head.ljust(512, b"\0")  # a truncated header points nowhere, so the type stays unknown
    sector_size = 1 << min(struct.unpack_from("<H", head, 30)[0], 12)
    file.seek((struct.unpack_from("<I", head, 48)[0] + 1) * sector_size)
    directory = file.read(HEAD_BYTES)
    for stream, kind in _OLE_STREAMS:
        if stream.encode("utf-16-le") not in directory:
            continue
        if kind is None:
            raise NotAccepted(
                "The file is protected by a password. Save a copy without a password and add that."
            )
        return kind
    raise NotAccepted(
        "Ragsite does not read this kind of Office file, or it is damaged. Save it as PDF and add that."
    )


# --- text ---------------------------------------------------------------------------------------


def looks_like_text(head: bytes, text: str) -> bool:
    """Return whether these bytes are text in any encoding. A few odd bytes may pass, a program must not.

    text: the bytes as they were decoded.
    """
    odd = sum(
        1
        for character in text
        if (character < " " and character not in "\t\n\r\f\x08\x0b\x1b") or character == "\ufffd"
    )
    is_utf8 = "\ufffd" not in text and text.encode("utf-8", "surrogatepass") == head
    # Valid UTF-8 is hardly ever anything else; the old one-byte encodings accept almost everything.
    few = 2 if len(text) >= 40 else 0
    return odd <= max(few, len(text) * (0.2 if is_utf8 else 0.01))


def _kind_of_text(text: str, named: MediaType | None) -> MediaType:
    start = text.lstrip("\ufeff \t\r\n")[:2000].lower()
    if named in (None, TEXT, HTML, XML):
        if start.startswith(("<!doctype html", "<html")):
            return HTML
        if start.startswith("<?xml"):
            return HTML if "<html" in start else XML
    if named is None and _MAILBOX.match(start):
        return MBOX
    if named is None and len(_MAIL_HEADER.findall(start.split("\n\n")[0].split("\r\n\r\n")[0])) >= 3:
        return EML
    return named if named and named.is_text else TEXT
