"""Mail, mailboxes and archives: what is in them is read, or named as left out."""

import gzip
import io
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from documents.errors import Unreadable
from documents.ingestion.extract import Extraction
from documents.parsing.containers import members
from tests.documents.parsing import files, outlook_files

from .conftest import sentences, text_of

Read = Callable[..., Extraction]


def mail(body: str = "See the files.", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {
        "Subject": "Offer",
        "From": "ana@example.org",
        "To": "team@example.org",
        **headers,
    }.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return message


def archive(**contents: bytes | str) -> bytes:
    return files.archive({name.replace("__", "."): content for name, content in contents.items()})


# --- mail ---------------------------------------------------------------------------------------


def test_mail_has_all_that_it_can_hold(read: Read) -> None:
    inner = mail("The deadline moved to Friday.", Subject="Deadline")
    message = mail(Cc="bo@example.org", Bcc="cy@example.org", Reply_To="desk@example.org", X_Mailer="Old")
    message.add_alternative("<p>See the files.</p>", subtype="html")
    message.add_attachment("Key for cellar B.", filename="note.txt")
    message.add_attachment(
        files.pdf("Ninety-one euros"), maintype="application", subtype="pdf", filename="offer.pdf"
    )
    message.add_attachment(
        files.docx(), maintype="application", subtype="octet-stream", filename="Prüfung ä.docx"
    )
    message.add_attachment(inner)
    message.add_attachment(b"\0\1\2" * 99, maintype="application", subtype="x-thing", filename="a.bin")
    message.add_attachment(
        archive(deep__csv="a,b\n1,2"), maintype="application", subtype="zip", filename="b.zip"
    )
    found = read("a.eml", message.as_bytes())
    said = text_of(found)
    for words in (
        "Cc: bo@",
        "Bcc: cy@",
        "Reply-To: desk@",
        "cellar B",
        "Ninety-one",
        "26 days",
        "moved to Friday",
        "| 1 | 2 |",
    ):
        assert words in said
    assert said.count("See the files.") == 1
    assert ("Prüfung ä.docx", "Handbook") in [section.title_path for section in found.sections]
    assert ("b.zip", "deep.csv") in [section.title_path for section in found.sections]
    assert "“a.bin” was left out. Ragsite does not read this kind of file." in sentences(found)
    assert (found.facts["attachments"], found.facts["attachments read"]) == (6, 5)
    assert found.facts["headers left out"] == "X-Mailer"
    assert (found.properties["subject"], found.properties["cc"]) == ("Offer", "bo@example.org")


@pytest.mark.parametrize(
    "plain", ["\n", "Please view this in a program that shows HTML.\n"], ids=["empty", "a hint"]
)
def test_the_alternative_that_says_more_is_read(read: Read, plain: str) -> None:
    message = mail(plain)
    message.add_alternative(
        "<html><body><p>The audit meeting takes place in room 14 on the second floor of the old building, at nine "
        "o'clock sharp. Bring the ledgers of both years, and the keys of the archive.</p></body></html>",
        subtype="html",
    )
    assert "room 14 on the second floor" in text_of(read("a.eml", message.as_bytes()))


def raw(headers: str, body: bytes) -> bytes:
    return f"From: a@example.org\r\nTo: b@example.org\r\nSubject: Test\r\n{headers}\r\n".encode() + body


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ("", "Die Größe beträgt 5 €, sagt der Händler.".encode("cp1252"), "Größe beträgt 5 €"),
        ("", "Die Größe beträgt 5 €.".encode(), "Größe beträgt 5 €"),
        ("Content-Type: text/plain; charset=us-ascii\r\n", "Größe".encode(), "Größe"),
        ("Content-Type: text/plain; charset=gb2312\r\n", "朱镕基说明".encode("gbk"), "朱镕基说明"),
        ("Content-Type: text/plain; charset=iso-2022-jp\r\n", "旅費は一万円".encode("iso2022_jp"), "旅費は一万円"),
        ("Content-Type: text/plain; charset=nonsense\r\n", "Größe".encode(), "Größe"),
        (
            "Content-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n",
            b64encode("Счёт оплачен".encode("cp1251")),
            "Счёт оплачен",
        ),
        (
            "Content-Type: text/html\r\n",
            '<meta charset="windows-1250"><p>Wniosek złożono</p>'.encode("cp1250"),
            "Wniosek złożono",
        ),
        ("Content-Type: text/calendar\r\n", b"SUMMARY:Audit\r\nLOCATION:Second fl\r\n oor", "LOCATION:Second floor"),
    ],
    ids=["no charset", "no charset, UTF-8", "too narrow", "gbk", "japanese", "unknown", "base64", "html", "calendar"],
)  # fmt: skip
def test_the_body_is_decoded(read: Read, headers: str, body: bytes, words: str) -> None:
    assert words in text_of(read("a.eml", raw(headers, body)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Angebot für Müller".encode(), "Subject: Angebot für Müller"),
        ("Größe".encode("cp1252"), "Subject: Größe"),
        (b"Re: =?utf-8?Q?Pr=C3=BCfung?= am =?iso-8859-1?Q?B=FCro?=", "Subject: Re: Prüfung am Büro"),
        (b"=?UTF-8?B?5Ye65by1?=\r\n =?UTF-8?B?5peF6LK7?=", "Subject: 出張旅費"),
        (b"=?ISO-2022-JP?B?" + b64encode("出張".encode("iso2022_jp")) + b"?=", "Subject: 出張"),
        (b"=?gb2312?B?" + b64encode("朱镕基".encode("gbk")) + b"?=", "Subject: 朱镕基"),
    ],
    ids=["raw utf-8", "raw bytes", "words", "split", "japanese", "gbk"],
)
def test_headers_are_decoded(read: Read, value: bytes, shown: str) -> None:
    message = (
        b"From: a@example.org\r\nTo: b@example.org\r\nDate: today\r\nSubject: " + value + b"\r\n\r\nBody.\r\n"
    )
    assert shown in text_of(read("a.eml", message))


def test_an_attachment_in_its_own_charset_is_decoded(read: Read) -> None:
    message = mail()
    message.add_attachment(
        "Größe;Ort\nŁuk;Łódź".encode("cp1250"), maintype="text", subtype="csv", filename="a.csv",
        params={"charset": "windows-1250"},
    )  # fmt: skip
    assert "| Łuk | Łódź |" in text_of(read("a.eml", message.as_bytes()))


def test_a_signature_and_a_logo_are_no_text(read: Read) -> None:
    message = mail("The signed words.")
    message.add_attachment(
        b"\x89PNG\r\n\x1a\n" + b"0" * 99, maintype="image", subtype="png", filename="logo.png", cid="<1>"
    )
    message.add_attachment(b"sealed", maintype="application", subtype="pkcs7-signature")
    found = read("a.eml", message.as_bytes())
    assert "The signed words." in text_of(found)
    assert found.facts["signatures"] == 1
    assert "“logo.png” was left out. It is a small picture within the text." in sentences(found)


def test_a_protected_attachment_is_named(read: Read) -> None:
    message = mail()
    message.add_attachment(files.encrypted_office(), maintype="application", subtype="x", filename="pay.xlsx")
    assert "“pay.xlsx” was left out. The file is protected by a password." in sentences(
        read("a.eml", message.as_bytes())
    )


def test_an_outlook_message_has_its_attachments(read: Read) -> None:
    note = ("Prüfung.txt", "Key for cellar Ä.".encode())
    found = read(
        "a.msg",
        outlook_files.message("Offer", "See the files.", note, ("Old mail", None), ("a.bin", b"\0\1" * 99)),
    )
    assert [section.title_path for section in found.sections] == [(), ("Prüfung.txt",)]
    for words in ("Subject: Offer", "See the files.", "Key for cellar Ä."):
        assert words in text_of(found)
    assert "“Old mail” was left out. It is an Outlook message within this one" in sentences(found)
    assert "“a.bin” was left out." in sentences(found)
    assert (found.facts["attachments"], found.facts["attachments read"]) == (3, 1)
    assert found.properties["subject"] == "Offer"


# --- mailboxes ----------------------------------------------------------------------------------


def test_each_message_of_a_mailbox_is_under_its_subject(read: Read) -> None:
    second = mail("Der Schlüssel liegt beim Hausmeister.\n\nFrom here on, nobody knows.", Subject="Schlüssel")
    second.add_attachment("Cellar plan.", filename="plan.txt")
    data = (
        b"From ana@example.org Mon Jan  1 10:00:00 2026\n" + mail("The boiler.", Subject="First").as_bytes()
        + b"\nFrom 123@xxx Tue Jan 02 10:00:00 +0000 2026\n" + second.as_bytes() + b"\n>From quoted.\n"
    )  # fmt: skip
    found = read("a.mbox", data)
    assert [section.title_path for section in found.sections] == [
        ("First",), ("Schlüssel",), ("Schlüssel", "plan.txt")
    ]  # fmt: skip
    for words in ("The boiler.", "Der Schlüssel liegt", "From here on, nobody knows.", "Cellar plan."):
        assert words in text_of(found)
    assert (found.facts["messages"], found.facts["attachments read"]) == (2, 1)


# --- archives -----------------------------------------------------------------------------------


def test_an_archive_has_its_files_under_their_paths(read: Read) -> None:
    found = read("a.zip", files.archive({
        "rules/leave.md": "# Leave\n\n26 days.", "b.pdf": files.pdf("Valves"), "c.exe": b"MZ\0\1" * 99,
        "__MACOSX/._b": b"x", "inner.zip": files.archive({"d.txt": "Deep words."}),
    }))  # fmt: skip
    assert [section.title_path for section in found.sections] == [
        ("rules/leave.md", "Leave"), ("b.pdf",), ("inner.zip", "d.txt")
    ]  # fmt: skip
    assert found.sections[1].page == 1
    assert "“c.exe” was left out." in sentences(found)
    assert found.facts == {"files": 4, "files read": 3, "files of the operating system, left out": 1}


def test_old_names_in_an_archive_are_decoded(read: Read) -> None:
    raw_name = "出張規程の改定について.txt".encode("cp932")
    old = io.BytesIO()
    with zipfile.ZipFile(old, "w") as made:
        made.writestr("x" * len(raw_name), "Words.")
    found = read("a.zip", old.getvalue().replace(b"x" * len(raw_name), raw_name), languages=["ja"])
    assert found.sections[0].title_path == ("出張規程の改定について.txt",)


def test_an_archive_within_too_many_others_is_left_out(read: Read) -> None:
    data = files.archive({"deep.txt": "Deep words."})
    for _ in range(members.MAX_DEPTH):
        data = files.archive({"note.txt": "Shallow words.", "inner.zip": data})
    found = read("a.zip", data)
    assert "Shallow words." in text_of(found)
    assert "Deep words." not in text_of(found)
    assert "nested more than 4 levels deep" in sentences(found)


def test_an_archive_bomb_is_left_out(read: Read) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros.txt", bytes(members.MAX_FILE_BYTES + 1))
        made.writestr("note.txt", "Harmless words.")
    found = read("a.zip", bomb.getvalue())
    assert text_of(found) == "note.txt\n\nHarmless words."
    assert "unpacks to more than 150 MB" in sentences(found)


def test_an_archive_of_countless_files_is_read_up_to_the_limit(read: Read) -> None:
    many = files.archive({f"{number}.txt": "word" for number in range(members.MAX_FILES + 40)})
    found = read("a.zip", many)
    assert found.facts["files read"] == members.MAX_FILES
    assert "more notes are not shown" in sentences(found)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_file_does_not_lose_the_others_of_its_archive(read: Read, method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as packed:
        packed.writestr("broken.txt", " ".join(map(str, range(5000))))
        packed.writestr("whole.txt", "Whole words.")
    data = bytearray(made.getvalue())
    data[60:1000] = b"\xff" * 940
    found = read("a.zip", bytes(data))
    assert "Whole words." in text_of(found)
    assert "“broken.txt” was left out. The file is damaged" in sentences(found)


def test_containers_within_containers_share_one_budget(read: Read) -> None:
    full = files.archive({f"{number}.txt": "word" for number in range(members.MAX_FILES // 2)})
    message = mail()
    message.add_attachment(full, maintype="application", subtype="zip", filename="b.zip")
    found = read(
        "a.zip", files.archive({"a.zip": full, "b.eml": message.as_bytes(), "last.txt": "Late words."})
    )
    assert text_of(found).count("word\n") < members.MAX_FILES
    assert "“last.txt” was left out. There are more than 2,000 files." in sentences(found)


def test_the_properties_are_those_of_the_file_and_not_of_one_within(read: Read) -> None:
    page = "<html><head><meta name=author content=Eve></head><body>Words.</body></html>"
    message = mail()
    message.add_attachment(page, subtype="html", filename="b.html")
    properties = read("a.eml", message.as_bytes()).properties
    assert (properties["subject"], "Eve" in properties.values()) == ("Offer", False)


def test_an_unforeseen_error_of_a_parser_names_the_format() -> None:
    with (
        pytest.raises(Unreadable, match="could not be read as an e-mail: it is damaged or unusual"),
        members.unforeseen_as_unreadable("message/rfc822"),
    ):
        raise KeyError("no parser foresees this")


def test_an_archive_without_text_says_why(read: Read) -> None:
    with pytest.raises(Unreadable, match=r"No file in this archive could be read\. “a.bin” was left out"):
        read("a.zip", files.archive({"a.bin": bytes(range(256)) * 9}))


# --- TAR archives and compressed files ------------------------------------------------------------


def header(name: str, kind: bytes, size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, "/etc/passwd"
    return made


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.tar", "w"),
        ("a.tar.gz", "w:gz"),
        ("a.tgz", "w:gz"),
        ("a.tar.bz2", "w:bz2"),
        ("a.txz", "w:xz"),
        ("a.tar", "w:gz"),
    ],
)
def test_a_tar_archive_has_its_files_under_their_paths(read: Read, name: str, mode: str) -> None:
    found = read(name, files.tar(
        ("./rules/leave.md", b"# Leave\n\nThirty days."), ("b.pdf", files.pdf("Ninety-one euros")),
        ("._b.pdf", b"x"), (header("empty", tarfile.DIRTYPE), b""), ("c.tgz", files.tar(("d.txt", b"Deep words."))),
        mode=mode,
    ))  # fmt: skip
    assert [section.title_path for section in found.sections] == [
        ("rules/leave.md", "Leave"), ("b.pdf",), ("c.tgz", "d.txt")
    ]  # fmt: skip
    assert found.facts == {"files": 3, "files read": 3, "files of the operating system, left out": 1}


def test_links_devices_and_paths_of_a_tar_archive_lead_nowhere(read: Read, tmp_path: Path) -> None:
    found = read("a.tar", files.tar(
        (str(tmp_path / "absolute.txt"), b"Absolute words."), ("../../up.txt", b"Upper words."),
        (header("soft", tarfile.SYMTYPE), b""), (header("hard", tarfile.LNKTYPE), b""),
        (header("null", tarfile.CHRTYPE), b""), (header("pipe", tarfile.FIFOTYPE), b""), mode="w",
    ))  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"stored"}
    assert "Absolute words." in text_of(found)
    assert "root:" not in text_of(found)
    assert sentences(found).count("link to another file") == 2
    assert sentences(found).count("a device or a pipe") == 2


def zeros(mb: int) -> bytes:
    """Return a compressed TAR archive of one file of zeros."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        packed.write(header("zeros.txt", tarfile.REGTYPE, mb * 2**20).tobuf())
        for _ in range(mb):
            packed.write(bytes(2**20))
    return out.getvalue()


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(lambda: zeros(510), id="one long file"),
        pytest.param(lambda: files.tar(*[("a.tgz", zeros(200))] * 4), id="archives within"),
        pytest.param(
            lambda: files.tar(*[(header(f"{n}.txt", tarfile.REGTYPE), b"") for n in range(10_001)]),
            id="countless files",
        ),
    ],
)
def test_a_tar_bomb_is_refused(read: Read, bomb: Callable[[], bytes]) -> None:
    with pytest.raises(Unreadable, match="unpacks to more"):
        read("a.tar.gz", bomb())


def test_a_file_too_long_does_not_lose_the_others_of_its_tar_archive(read: Read) -> None:
    found = read("a.tgz", files.tar(("a.bin", bytes(151 * 2**20)), ("note.txt", b"Harmless words.")))
    assert text_of(found) == "note.txt\n\nHarmless words."
    assert "unpacks to more than 150 MB" in sentences(found)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_that_is_cut_off_is_damaged(read: Read, mode: str) -> None:
    data = files.tar(("a.txt", b"Otters swim. " * 999), ("b.txt", b"Badgers dig."), mode=mode)
    end = data.index(b"b.txt") - 600 if mode == "w" else len(data) * 2 // 3
    with pytest.raises(Unreadable, match="damaged"):
        read("a.tar" if mode == "w" else "a.gz", data[:end])


def test_a_damaged_header_is_not_the_end_of_a_tar_archive(read: Read) -> None:
    data = files.tar(("a.txt", b"Otters swim."), ("b.txt", b"Badgers dig."), mode="w")
    with pytest.raises(Unreadable, match="damaged"):
        read("a.tar", data.replace(b"b.txt", b"B.txt"))


def test_old_names_in_a_tar_archive_are_decoded(read: Read) -> None:
    raw_name = "議事録.txt".encode("cp932")
    data = files.tar((raw_name.decode("utf-8", "surrogateescape"), b"Words."), mode="w")
    assert raw_name in data
    assert read("a.tar", data, languages=["ja"]).sections[0].title_path == ("議事録.txt",)


def test_the_name_of_its_first_file_does_not_tell_how_a_tar_archive_is_compressed(read: Read) -> None:
    assert text_of(read("a.tar", files.tar(("BZ.txt", b"Words."), mode="w"))) == "BZ.txt\n\nWords."


def test_a_file_that_is_compressed_alone_has_the_name_that_gzip_kept(read: Read) -> None:
    out = io.BytesIO()
    with gzip.GzipFile("prices.csv", "wb", fileobj=out) as packed:
        packed.write(b"part,price\nvalve,12\n")
    assert text_of(read("p.csv.gz", out.getvalue())) == "prices.csv\n\n| part | price |\n| valve | 12 |"
    assert "Otters" in text_of(read("log.gz", gzip.compress(b"Otters swim.\n")))
