import io
import os
import shutil
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents.errors import Unreadable, Unwanted
from documents.ingestion.extract import Extraction, extract
from documents.ingestion.parser_process import close, parser_process
from tests.documents.parsing import files

Read = Callable[..., Extraction]


def paths(found: Extraction) -> list[tuple[str, ...]]:
    return [section.title_path for section in found.sections]


def text(found: Extraction) -> str:
    return "\n".join(section.text for section in found.sections)


def test_markup_that_no_parser_knows_is_passed_over(read: Read) -> None:
    page = b"<html><head><![foo[x]]><meta name=author content=Ann></head><body><p>Words.</p></body></html>"
    found = read("a.html", page)
    assert ("Words." in text(found), found.properties["author"]) == (True, "Ann")


def test_a_pdf_gives_a_section_per_page(read: Read) -> None:
    found = read("a.pdf", files.pdf("The first page\nspeaks of pumps", "The second page\nspeaks of valves"))
    assert [section.page for section in found.sections] == [1, 2]
    assert found.page_count == 2
    assert "pumps" in found.sections[0].text
    assert "valves" in found.sections[1].text


def test_word_headings_become_paths(read: Read) -> None:
    found = read("a.docx", files.docx())
    assert paths(found) == [("Handbook",), ("Handbook", "Leave"), ("Travel",)]
    assert found.sections[1].text.startswith("Leave\n\nYou have 26 days")
    assert "| 2026 | 26 |" in found.sections[1].text


def test_slides_have_numbers_titles_notes_and_tables(read: Read) -> None:
    found = read("a.pptx", files.pptx())
    assert [(section.page, section.title_path) for section in found.sections] == [
        (1, ("Safety first",)),
        (2, ("Prices",)),
    ]
    assert found.page_count == 2
    assert "goggles" in found.sections[0].text
    assert "Show the film" in found.sections[0].text
    assert "Gasket" in found.sections[1].text


def test_each_sheet_is_a_section(read: Read) -> None:
    found = read("a.xlsx", files.xlsx())
    assert paths(found) == [("Cups",), ("Costs",)]
    assert "| Blues | 1 |" in found.sections[0].text


def test_markdown_is_kept_as_written(read: Read) -> None:
    source = "intro\n\n# Guide\n\n## Install\n\nRun *it*.\n\n```\n# no heading\n```\n\nUsage\n-----\n\nAsk.\n"
    found = read("a.md", source.encode())
    assert paths(found) == [(), ("Guide", "Install"), ("Guide", "Usage")]
    assert found.sections[1].text == "# Guide\n\n## Install\n\nRun *it*.\n\n```\n# no heading\n```"
    assert found.sections[2].text.startswith("Usage\n-----")


def test_a_web_page_loses_what_is_not_its_text(read: Read) -> None:
    page = """<!DOCTYPE html><html><head><title>T</title><style>p{}</style></head><body><nav>Home About</nav>
    <h1>Leave policy</h1><p>Staff have <a href="/days">25 days</a> of leave.</p><script>var x = 1</script>
    <p style="display:none">BANANA-7731</p><h2>Parents</h2><p>Ask <b>Ana</b>.</p><footer>Imprint</footer></body></html>"""
    found = read("a.html", page.encode())
    assert paths(found) == [("Leave policy",), ("Leave policy", "Parents")]
    assert "Staff have 25 days of leave." in found.sections[0].text
    assert "Ask Ana." in found.sections[1].text
    for unwanted in ("BANANA", "Imprint", "var x", "About", "p{}"):
        assert unwanted not in text(found)


@pytest.mark.parametrize(
    ("name", "content"), [("a.html", b""), ("a.epub", files.epub())], ids=["page", "book"]
)
def test_powers_are_no_other_numbers_in_web_pages_and_books(read: Read, name: str, content: bytes) -> None:
    markup = (
        "<p>Up to 10<sup>6</sup> lamps, H<sub>2</sub>O.</p><aside class='note'>Never open the lid.</aside>"
    )
    if content:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            members: dict[str, str | bytes] = {each: book.read(each) for each in book.namelist()}
            chapter = book.read("c1.xhtml")
        members["c1.xhtml"] = chapter.replace(b"<p>It stood on a rock.</p>", markup.encode())
        content = files.archive(members)
    said = text(read(name, content or f"<!DOCTYPE html><html><body>{markup}</body></html>".encode()))
    assert "Up to 10^6 lamps, H2O." in said
    assert "Never open the lid." in said


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_mail_gives_its_header_and_body(read: Read, signed: bool) -> None:
    said = text(read("a.eml", files.eml(signed)))
    assert "Prüfung am Montag" in said
    assert "ana@example.org" in said
    assert "The auditor comes at nine.\nBring the ledgers." in said


def test_a_book_has_chapters(read: Read) -> None:
    found = read("a.epub", files.epub())
    assert ("The lighthouse", "The keeper") in paths(found)
    assert "He slept by day." in text(found)


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_tables_of_text_keep_their_rows(read: Read, separator: str) -> None:
    rows = "\n".join(separator.join(row) for row in (("Team", "Wins"), ("Blues", "1"), ("Flyers", "2")))
    assert "| Flyers | 2 |" in text(read("a.tsv" if separator == "\t" else "a.csv", rows.encode()))


def test_xml_gives_what_stands_between_its_tags(read: Read) -> None:
    source = '<?xml version="1.0" encoding="iso-8859-1"?><a><b>Größe</b><c>H<i>2</i>O &amp; more</c><!-- no --></a>'
    assert text(read("a.xml", source.encode("latin-1"))) == "Größe\nH2O & more"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_western_text_is_read_in_any_encoding(read: Read, encoding: str) -> None:
    assert text(read("a.txt", "Größe café naïve, 15,50 €".encode(encoding))) == "Größe café naïve, 15,50 €"


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "euc_jp"])
def test_japanese_text_is_recognised(read: Read, encoding: str) -> None:
    said = "日本語の文書です。検索できますか。"
    assert text(read("a.txt", said.encode(encoding))) == said


def test_korean_text_is_recognised(read: Read) -> None:
    assert text(read("a.txt", "한국어 문서입니다".encode("euc_kr"))) == "한국어 문서입니다"


def test_what_postgres_cannot_keep_is_left_out(read: Read) -> None:
    assert text(read("a.txt", b"alpha\0beta\x07 gamma\r\ndelta")) == "alphabeta gamma\ndelta"


def test_a_long_text_is_cut_into_sections_at_paragraphs(read: Read) -> None:
    found = read("a.txt", (files.PROSE * 400).encode())
    assert len(found.sections) > 1
    assert all(len(section.text) <= 20_000 for section in found.sections)
    assert all(section.text.endswith((".", "valve.")) for section in found.sections)
    assert text(found).split() == (files.PROSE * 400).split()


def test_an_open_presentation_has_slides_with_titles_tables_and_notes(read: Read) -> None:
    found = read("a.odp", files.odp())
    assert [(each.page, each.title_path) for each in found.sections] == [
        (1, ("Safety first",)),
        (2, ("Prices",)),
    ]
    assert found.page_count == 2
    assert found.sections[0].text == "Safety first\n\nWear goggles."
    assert found.sections[1].text == "Prices\n\n| Gasket | 3 euro |\n\nSpeaker notes: Show the film"


# --- languages ----------------------------------------------------------------------------------

GERMAN = "Der Mitarbeiter hat Anspruch auf 26 Tage Urlaub im Jahr. Nicht genommene Tage verfallen im März."
SPANISH = (
    "El empleado tiene derecho a 26 días de vacaciones al año. Los días no disfrutados se pierden en marzo."
)


@pytest.mark.parametrize(
    ("text", "languages", "found"),
    [
        (GERMAN, ("en", "de"), "de"),
        (SPANISH, ("en", "de", "es"), "es"),
        (files.PROSE, ("de", "en"), "en"),
        ("日本語の文書です。検索できますか。今日はいい天気ですね。", ("en", "ja"), "ja"),
        (GERMAN, ("es",), "es"),
        (GERMAN, ("auto",), "de"),
        ("26 + 7", ("en", "de"), None),
        (GERMAN, (), None),
    ],
    ids=["German", "Spanish", "English", "Japanese", "the only one", "any", "no letters", "none given"],
)
def test_the_language_is_found_among_those_it_may_be(
    read: Read, text: str, languages: tuple[str, ...], found: str | None
) -> None:
    assert read("a.txt", text.encode(), languages=languages).language == found


# --- the layout-aware parser --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "path", "said"),
    [
        ("a.docx", files.docx(), ("Handbook", "Leave"), "| 2026 | 26 |"),
        ("a.pptx", files.pptx(), ("Prices",), "| Gasket | 3 euro |"),
    ],
    ids=["docx", "pptx"],
)
def test_the_layout_parser_gives_the_same_shape(
    read: Read, name: str, content: bytes, path: tuple[str, ...], said: str
) -> None:
    found = read(name, content, "layout")
    assert found.parser == "unstructured"
    assert path in paths(found)
    assert said in text(found)


def test_the_layout_parser_leaves_pdfs_to_the_fast_one(read: Read) -> None:
    assert read("a.pdf", files.pdf("Only the fast one reads this"), "layout").parser == "pdfium"


# --- pictures of text ---------------------------------------------------------------------------

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract-ocr is not installed"
)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder that is all of the PATH, for a parser of this test's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    close("fast", parser_process("fast"))
    monkeypatch.setenv("PATH", str(folder))
    yield folder
    close("fast", parser_process("fast"))


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@needs_tesseract
@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.tiff", "TIFF")])
def test_text_in_pictures_is_recognised(read: Read, name: str, kind: str) -> None:
    found = read(name, files.picture("The pump needs oil\nevery Monday", kind), languages=("en",))
    assert "The pump needs oil" in text(found)
    assert (found.recognised_pages, found.page_count) == (1, 1)


@needs_tesseract
def test_scanned_pages_are_recognised_and_others_left_as_they_are(read: Read) -> None:
    found = read(
        "a.pdf", files.scanned("Valves are shut", "Pumps hum", first="Typed by hand"), languages=("en",)
    )
    assert [(each.page, each.text.strip()) for each in found.sections] == [
        (1, "Typed by hand"), (2, "Valves are shut"), (3, "Pumps hum"),
    ]  # fmt: skip
    assert found.recognised_pages == 2
    assert "tesseract" in found.parser


@needs_tesseract
@pytest.mark.parametrize(
    ("name", "content"), [("scan.pdf", files.scan()), ("a.png", files.picture(""))], ids=["pdf", "png"]
)
def test_a_picture_without_words_says_so(read: Read, name: str, content: bytes) -> None:
    with pytest.raises(Unreadable, match="found no words"):
        read(name, content)


@needs_tesseract
def test_a_picture_that_admits_an_enormous_size_takes_itself_only(read: Read) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    with pytest.raises(Unreadable, match="found no words"):
        read("huge.png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize(
    ("name", "content"), [("scan.pdf", files.scan()), ("a.png", files.picture("words"))], ids=["pdf", "png"]
)
def test_without_tesseract_a_picture_says_what_to_install(
    programs: Path, read: Read, name: str, content: bytes
) -> None:
    with pytest.raises(Unreadable, match="Ask your operator to install tesseract-ocr, then press Retry"):
        read(name, content)


def test_without_tesseract_the_typed_pages_are_read(programs: Path, read: Read) -> None:
    found = read("a.pdf", files.scanned("Valves are shut", first="Typed by hand"))
    assert [each.text for each in found.sections] == ["Typed by hand"]
    assert (found.recognised_pages, found.unread_pages) == (0, 1)


def test_a_missing_language_says_what_to_install(programs: Path, read: Read) -> None:
    program(programs / "tesseract", "echo eng")
    with pytest.raises(Unreadable, match="install tesseract-ocr-chi-sim, then press Retry"):
        read("a.png", files.picture("words"), languages=("zh",))


def test_what_is_recognised_goes_by_the_documents_languages(programs: Path, read: Read) -> None:
    program(
        programs / "tesseract", 'case "$1" in --list-langs) printf "eng\ndeu\nosd\n";; *) echo "$@";; esac'
    )
    assert "-l deu+eng --psm 1" in text(read("a.png", files.picture("words"), languages=("de", "en")))
    assert "-l eng --psm 1" in text(read("a.png", files.picture("words"), languages=("pl",)))


def test_a_scan_may_take_long_as_long_as_pages_get_done(programs: Path, read: Read) -> None:
    program(
        programs / "tesseract", 'case "$1" in --list-langs) echo eng;; *) /bin/sleep 0.8; echo words;; esac'
    )
    assert read("a.pdf", files.scanned("a", "b", "c", "d"), timeout_s=2.5).recognised_pages == 4


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("locked.pdf", files.pdf("secret", password="x"), "protected by a password"),
        ("cut.pdf", files.pdf("whole")[:200], "damaged"),
        ("blank.txt", b" \n \t\n", "contains no text"),
        ("sealed.eml", files.eml().replace(b"text/plain", b"multipart/encrypted"), "an encrypted message"),
        (
            "locked.odp",
            files.odp(**{"META-INF/manifest.xml": "<encryption-data/>"}),
            "protected by a password",
        ),
        ("broken.odp", files.odp(**{"content.xml": "<a>"}), "damaged"),
        (
            "laughs.odp",
            files.odp(**{"content.xml": '<!DOCTYPE d [<!ENTITY a "lol">]><d>&a;</d>'}),
            "defines XML entities",
        ),
        ("rules.txt", b"-----\n=====\n", "contains no text"),
        (
            "laughs.xml",
            b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "lol">]><d>&a;</d>',
            "defines XML entities",
        ),
    ],
)
def test_unreadable_files_say_why(read: Read, name: str, content: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read(name, content)


def test_a_broken_office_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "stored").write_bytes(
        files.archive({"[Content_Types].xml": "<x/>", "word/document.xml": "<broken"})
    )
    with pytest.raises(Unreadable, match="damaged"):
        extract(
            tmp_path / "stored", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        )


def test_a_bomb_that_admits_its_size_is_not_unpacked(read: Read) -> None:
    with pytest.raises(Unreadable, match="unpacks to more"):
        read("bomb.docx", files.docx_bomb(120, admits=True))


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(read: Read) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read("bomb.docx", files.docx_bomb(120, admits=False), memory_bytes=600 * 2**20)


def test_a_slow_file_is_given_up(read: Read) -> None:
    with pytest.raises(Unreadable, match="took longer than"):
        read("slow.txt", b"words " * 2_000_000, timeout_s=0.001)


def test_reading_stops_when_nobody_wants_it(read: Read) -> None:
    with pytest.raises(Unwanted):
        read("a.txt", b"words", still_wanted=lambda: False)


def test_text_that_never_ends_is_too_much(read: Read) -> None:
    with pytest.raises(Unreadable, match="more than 20,000,000 characters"):
        read("long.txt", b"word " * 4_100_000)


def test_the_reader_dies_with_its_worker(tmp_path: Path, root: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    code = f"from documents.ingestion.extract import *; from pathlib import Path; extract(Path({str(endless)!r}), 'text/plain')"
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    writing = os.open(endless, os.O_WRONLY)  # returns when the reader has opened its end
    worker.kill()
    worker.wait()
    with pytest.raises(BrokenPipeError):  # nobody reads any more
        write_for(10, writing)
    os.close(writing)


def write_for(seconds: float, file: int) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.write(file, b"words")
        time.sleep(0.02)
