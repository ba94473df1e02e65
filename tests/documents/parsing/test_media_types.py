import io
import resource
import struct
import time
import zipfile

import pytest

from documents.errors import NotAccepted
from documents.parsing import media_types
from documents.parsing.media_types import MediaType, recognise
from tests.documents.parsing import files


def ole(stream: str) -> bytes:
    return files.encrypted_office().replace(
        "EncryptedPackage".encode("utf-16-le"), stream.encode("utf-16-le").ljust(32, b"\0")
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", files.pdf("x"), media_types.PDF),
        ("a.docx", files.docx(), media_types.DOCX),
        ("a.pptx", files.pptx(), media_types.PPTX),
        ("a.xlsx", files.xlsx(), media_types.XLSX),
        ("a.epub", files.epub(), media_types.EPUB),
        ("a.odt", files.archive({"mimetype": media_types.ODT.name, "content.xml": "<x/>"}), media_types.ODT),
        ("a.doc", ole("WordDocument"), media_types.DOC),
        ("a.msg", ole("__properties_version1.0"), media_types.MSG),
        ("a.rtf", rb"{\rtf1 words}", media_types.RTF),
        ("a.eml", files.eml(), media_types.EML),
        ("a.md", b"# words", media_types.MARKDOWN),
        ("a.csv", b"a,b\n1,2", media_types.CSV),
        ("a.json", b'{"a": 1}', media_types.JSON),
        ("no extension", files.pdf("x"), media_types.PDF),
        ("a.zip", files.archive({"a.txt": "x"}), media_types.ZIP),
        ("a.tar", files.tar(("a.txt", b"x"), mode="w"), media_types.TAR),
        ("a.txt", b"BZhang wrote this.", media_types.TEXT),
        ("backup", files.tar(("a.txt", b"only words " * 9999), mode="w"), media_types.TAR),
        ("a.tar.gz", files.tar(("a.txt", b"x")), media_types.COMPRESSED),
        ("a.tar", files.tar(("a.txt", b"x")), media_types.COMPRESSED),
        ("a.txz", files.tar(("a.txt", b"x"), mode="w:xz"), media_types.COMPRESSED),
        ("a.mbox", b"From a@b.test Mon Jan  1 10:00:00 2026\nFrom: a@b.test\n\nx", media_types.MBOX),
        ("box", b"From a@b.test Mon Jan  1 10:00:00 2026\nFrom: a@b.test\n\nx", media_types.MBOX),
        ("a.ipynb", b'{"cells": []}', media_types.IPYNB),
        ("backup.old", b"plain words", media_types.TEXT),
        ("mail", files.eml(), media_types.EML),
        ("page.txt", b"<!doctype html><p>words", media_types.HTML),
        ("wide.txt", "words".encode("utf-16"), media_types.TEXT),
        ("wide.csv", "a;b".encode("utf-16-le"), media_types.CSV),
        ("old.txt", "Größe".encode("cp1252"), media_types.TEXT),
        ("zeros.txt", b"alpha\0beta\0gamma", media_types.TEXT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_content_decides(name: str, content: bytes, expected: MediaType) -> None:
    assert recognise(io.BytesIO(content), name) is expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"only words", r"name ends in \.pdf, but the content is plain text"),
        ("a.txt", files.pdf("x"), r"content is a PDF. Rename it to \.pdf"),
        ("a.docx", files.xlsx(), r"content is an Excel workbook"),
        ("a.docx", files.encrypted_office(), "protected by a password"),
        ("a.docx", files.docx()[:300], "damaged"),
        ("a.docx", bytes(range(256)) * 20, "says a Word document, but the content is not"),
        ("a.pdf", b"MZ\x90\0" + bytes(range(256)) * 20, "says a PDF, but the content is not"),
        ("a.jar", files.archive({"a.txt": "x"}), "an archive. Unpack it"),
        (
            "a.7z",
            b"7z\xbc\xaf\x27\x1c" + bytes(range(256)),
            r"\(7z\). Unpack it and add the files in it, or pack",
        ),
        ("a.rar", b"Rar!\x1a\x07\x01\0" + bytes(range(256)), r"\(RAR\). Unpack it"),
        ("a.zip", b"Rar!\x1a\x07\0" + bytes(range(256)), r"\(RAR\). Unpack it"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd" + bytes(range(256)), r"\(Zstandard\). Unpack it"),
        ("a.tar", b"only words", r"name ends in \.tar, but the content is plain text"),
        ("a.docx", files.tar(("a.txt", b"x")), "content is a compressed file"),
        ("a.gif", b"GIF89a" + bytes(range(256)), "this kind of picture"),
        ("a.mp3", b"ID3\x03\0\0\0" + bytes(range(256)) * 4, "a recording"),
        ("a.bin", bytes(range(256)) * 20, "does not read this kind of file. Add PDF"),
        (
            "a.odg",
            files.archive({"mimetype": "application/vnd.oasis.opendocument.graphics"}),
            "this kind of OpenDocument",
        ),
        ("a.docx", b"PK\x03\x04" + bytes(100), "damaged"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(10), "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_we_do_not_take_is_told_apart(name: str, content: bytes, words: str) -> None:
    with pytest.raises(NotAccepted, match=words):
        recognise(io.BytesIO(content), name)


def test_a_package_that_unfolds_enormously_is_not_taken() -> None:
    data = files.docx_bomb(1, admits=True)
    at = data.rindex(b"PK\x01\x02")  # its directory declares 600 MB
    bomb = data[: at + 24] + struct.pack("<I", 600 * 2**20) + data[at + 28 :]
    with pytest.raises(NotAccepted, match="unpacks to more than 500 MB"):
        recognise(io.BytesIO(bomb), "a.docx")


def test_a_package_of_countless_parts_is_not_taken() -> None:
    bomb = files.archive({f"word/{number}": b"" for number in range(10_001)})
    with pytest.raises(NotAccepted, match="10,000 parts"):
        recognise(io.BytesIO(bomb), "a.docx")


def archive_of(*members: tuple[str, bytes, int]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data, compression in members:
            archive.writestr(name, data, compression)
    return packed.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_bomb_that_calls_itself_a_media_type_is_not_unpacked(compression: int) -> None:
    size = 300 * 2**20
    packed = archive_of(("mimetype", bytes(size), compression))
    # The archive declares 20 bytes, in the member's own header and in the directory.
    bomb = packed.replace(struct.pack("<I", size), struct.pack("<I", 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAccepted):
        recognise(io.BytesIO(bomb), "page.html")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_directory_of_a_million_members_is_refused_before_it_is_listed() -> None:
    packed = archive_of(("a", b"", zipfile.ZIP_STORED))
    start, end = packed.index(b"PK\x01\x02"), packed.index(b"PK\x05\x06")
    directory = packed[start:end] * 1_000_000
    record = packed[end : end + 12] + struct.pack("<II", len(directory), start) + packed[end + 20 :]
    started = time.process_time()
    with pytest.raises(NotAccepted, match="10,000 parts"):
        recognise(io.BytesIO(packed[:start] + directory + record), "a.docx")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_declared_type_of_an_archive_is_read(compression: int) -> None:
    book = archive_of(("mimetype", b"application/epub+zip", compression), ("a.xhtml", b"x", compression))
    assert recognise(io.BytesIO(book), "a.epub").name == "application/epub+zip"
