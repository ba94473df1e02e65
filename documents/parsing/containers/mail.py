"""Reads e-mail (RFC 5322, MIME) with its attachments, and mailboxes (mbox).

Python's `email` splits the message; charsets are decoded here, because mail often declares none, or a wrong one.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email._policybase import Compat32
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from itertools import zip_longest
from mimetypes import guess_extension
from pathlib import Path

from core.text import one_line
from documents.errors import Unreadable
from documents.parsing import fast
from documents.parsing.encodings import declared_label, decoded
from documents.parsing.markup import html
from documents.parsing.outline import outline
from documents.parsing.types import ENCRYPTED_MAIL, ExtractedBlock, Extraction, Facts, ReadingNote

from .members import Found, Member, Opened, Refused, below, read_members, unforeseen_as_unreadable

VERSION = "1"
MAIL, MAILBOX = "message/rfc822", "application/mbox"
READS = {MAIL, MAILBOX}

# A line "From ann@example.org Tue Jan  2 10:00:00 2024" after an empty line and before a header
_SEPARATOR = re.compile(rb"(?:\A\s*|(?<=\n)\r?\n)From [^\n]*\d\d:\d\d[^\n]*\n(?=>?[!-9;-~]+:)")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_SHOWN = (
    "Subject",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Date",
    "Organization",
    "Keywords",
    "Comments",
)
_PLACES_OF_NAMES = (("filename", "Content-Disposition"), ("name", "Content-Type"))
_OF_MIME = (
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Language",
)
_SEAL = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
_HTML = "text/html"
_READ_AS_TEXT = {"text/plain", "text/calendar", "text/vcard", "text/x-vcard", "message/delivery-status"}
_PROPERTIES = (
    ("subject", "Subject"), ("author", "From"), ("from", "From"), ("to", "To"), ("cc", "Cc"), ("created", "Date"),
    ("message_id", "Message-ID"), ("from_email", "From"), ("to_emails", "To"), ("cc_emails", "Cc"),
)  # fmt: skip
_MAX_PROPERTY_CHARACTERS = 500
_SMALL_PICTURE_BYTES = 20_000  # a logo or an emoji
_MUCH_MORE = 3  # times as many words: the plain text is only a hint to open the mail in another program


def read(path: Path, opened: Opened) -> Extraction:
    """Raises Unreadable."""
    data = path.read_bytes()
    if opened.job.media_type == MAILBOX:
        return _mailbox(data, opened)
    return _message(message_from_bytes(data, policy=_Lenient()), opened)


def _mailbox(data: bytes, opened: Opened) -> Extraction:
    """Return the messages, each under its subject."""
    found, facts = Found(), dict[str, int | str]()
    for each in _messages(data):
        message = message_from_bytes(each, policy=_Lenient())
        title = _subject(message, opened.languages)
        try:
            with unforeseen_as_unreadable(MAIL):
                inner = _message(message, opened)
        except Unreadable as error:
            found.notes.append(ReadingNote("left_out", f"“{title}” was left out. {error}"))
        else:
            found.read += 1
            found.sections += below(title, inner.sections)
            found.notes += inner.notes
            facts = _added(facts, inner.facts)
        opened.alive()
    facts = {"messages": found.read, **facts}
    return Extraction(tuple(found.sections), None, "mail", VERSION, facts=facts, notes=found.shown_notes())


def _messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox (RFC 4155).

    Unlike `mailbox.mbox`, this does not split a message at a sentence that begins with "From".
    """
    starts = list(_SEPARATOR.finditer(data))
    if not starts:
        yield data
    for one, following in zip_longest(starts, starts[1:]):
        message = data[one.end() : following.start() if following else None]
        yield _ESCAPED_FROM.sub(rb"\1", message)


def _added(one: Facts, other: Facts) -> dict[str, int | str]:
    """Return the sums of the counts; words are dropped, because each message has its own."""
    counts = {name: count for name, count in one.items() if isinstance(count, int)}
    for name, count in other.items():
        if isinstance(count, int):
            counts[name] = counts.get(name, 0) + count
    return dict(counts)


def _message(message: Message, opened: Opened) -> Extraction:
    if (
        message.get_content_type() == "multipart/encrypted"
        or message.get_param("smime-type") == "enveloped-data"
    ):
        raise Unreadable(ENCRYPTED_MAIL)
    parts = _Parts()
    _sort(message, parts, opened.languages)
    head = "\n".join(
        f"{name}: {value}" for name in _SHOWN for value in _headers(message, name, opened.languages)
    )
    text = "\n\n".join(filter(None, [head, *parts.texts]))
    pages = [block for page in parts.pages for block in _page_blocks(page, parts)]
    found = read_members(parts.attachments, opened)
    sections = [*outline([ExtractedBlock(text), *pages]), *found.sections]
    notes = (*parts.notes, *found.shown_notes())
    return Extraction(
        tuple(sections), None, "mail", VERSION, facts=_facts(message, parts, found), notes=notes,
        properties=_properties(message, opened.languages),
    )  # fmt: skip


def _page_blocks(page: str, parts: "_Parts") -> list[ExtractedBlock]:
    try:
        blocks, notes = fast.page_blocks(page)
    except Unreadable as error:
        parts.notes.append(ReadingNote("left_out", f"The HTML text was left out. {error}"))
        return []
    parts.notes += notes
    return blocks


@dataclass(slots=True)
class _Parts:
    """The parts of a message, sorted by what becomes of them."""

    texts: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)  # HTML
    attachments: list[Member | Refused] = field(default_factory=list)
    notes: list[ReadingNote] = field(default_factory=list)
    encodings: set[str] = field(default_factory=set)
    signatures: int = 0


def _sort(part: Message, parts: _Parts, languages: Sequence[str]) -> None:
    """Add the part and those within it. Of alternatives, add the one that says most."""
    kind, inner = part.get_content_type(), _parts_of(part)
    if kind == "multipart/alternative" and inner:
        _sort_alternatives(inner, parts, languages)
    elif part.is_multipart() and kind not in ("message/rfc822", "message/delivery-status"):
        for each in inner:
            _sort(each, parts, languages)
    elif kind in _SEAL:
        parts.signatures += 1
    elif kind == "message/delivery-status":
        parts.texts.append("\n".join(each.as_string().strip() for each in inner))
    elif _is_attachment(part):
        parts.attachments.append(_attachment(part, languages))
    else:
        _add_text(part, parts, languages)


def _sort_alternatives(inner: Sequence[Message], parts: _Parts, languages: Sequence[str]) -> None:
    """Add the plain text, or what is richer if the plain text is empty or says much less; and all files."""
    tries = []
    for each in inner:
        tried = _Parts()
        _sort(each, tried, languages)
        tries.append(tried)
    said = [sum(map(_words, tried.texts)) + sum(map(_words_of_page, tried.pages)) for tried in tries]
    most = max(said)
    chosen = next(place for place, words in enumerate(said) if words * _MUCH_MORE >= most)
    for place, tried in enumerate(tries):
        if place == chosen:
            parts.texts += tried.texts
            parts.pages += tried.pages
            parts.encodings |= tried.encodings
            parts.notes += tried.notes
        elif _is_invitation(inner[place]):
            parts.texts += tried.texts
        parts.attachments += tried.attachments
        parts.signatures += tried.signatures


def _is_invitation(part: Message) -> bool:
    return part.get_content_type() == "text/calendar"


def _parts_of(part: Message) -> list[Message]:
    return [each for each in part.get_payload() if isinstance(each, Message)] if part.is_multipart() else []


def _is_attachment(part: Message) -> bool:
    kind = part.get_content_type()
    is_text = kind in _READ_AS_TEXT or kind == _HTML
    return not is_text or part.get_content_disposition() == "attachment" or _is_named(part)


def _is_named(part: Message) -> bool:
    return any(part.get_param(name, header=header) is not None for name, header in _PLACES_OF_NAMES)


def _add_text(part: Message, parts: _Parts, languages: Sequence[str]) -> None:
    data = _content(part)
    label = _charset(part) or (declared_label(data) if part.get_content_type() == _HTML else None)
    found = decoded(data, label, languages)
    parts.encodings.add(str(found.facts["encoding"]))
    parts.notes += found.notes
    if part.get_content_type() == _HTML:
        parts.pages.append(found.text)
    elif found.text.strip():
        is_folded = part.get_content_type() in ("text/calendar", "text/vcard", "text/x-vcard")
        # RFC 5545 and RFC 6350 break long lines in the middle of words.
        text = re.sub(r"\r?\n[ \t]", "", found.text) if is_folded else found.text
        parts.texts.append(text)


def _content(part: Message) -> bytes:
    """Return the decoded bytes of a part; of an attached message, the message itself."""
    if part.get_content_type() == MAIL and (inner := _parts_of(part)):
        # RFC 2046 forbids base64 here, but some programs use it, and `email` does not decode it.
        is_encoded = str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"
        return _unencoded(inner[0].as_bytes()) if is_encoded else inner[0].as_bytes()
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _unencoded(data: bytes) -> bytes:
    try:
        return b64decode(data)
    except ValueError:
        return data


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except ValueError:  # it contains NUL
        return None


def _attachment(part: Message, languages: Sequence[str]) -> Member | Refused:
    name, data = _file_name(part, languages), _content(part)
    if part.get_content_maintype() == "image" and "Content-ID" in part and len(data) < _SMALL_PICTURE_BYTES:
        return Refused(name, "It is a small picture within the text.")
    if part.get_content_maintype() == "text" and (charset := _charset(part)):
        data = decoded(data, charset, languages).text.encode("utf-8", "replace")
    return Member(name, data)


def _words(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _words_of_page(page: str) -> int:
    return _words(re.sub(r"<[^>]*>", " ", html.own_text(page)))


# --- headers ------------------------------------------------------------------------------------


class _Lenient(Compat32):
    """A policy that also reads headers with bytes that no standard allows there."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return decoded(value.encode("utf-8", "surrogateescape")).text


def _headers(message: Message, name: str, languages: Sequence[str]) -> list[str]:
    """Return the values of a header, decoded, each on one line."""
    values = (_decode_words(str(value), languages) for value in message.get_all(name, []))
    return [line for value in values if (line := " ".join(value.split()))]


def _subject(message: Message, languages: Sequence[str]) -> str:
    return next(iter(_headers(message, "Subject", languages)), "Message without a subject")


def _decode_words(raw: str, languages: Sequence[str]) -> str:
    """Decode encoded words (RFC 2047), also those with a charset that is not quite what they say."""
    if not raw.isascii() or "=?" not in raw:
        return raw
    try:
        words = decode_header(raw)
    except HeaderParseError:
        return raw
    return "".join(
        word if isinstance(word, str) else decoded(word, (charset or "").partition("*")[0], languages).text
        for word, charset in words
    )


def _file_name(part: Message, languages: Sequence[str]) -> str:
    with suppress(ValueError):  # a charset that contains NUL
        if name := part.get_filename():
            return _decode_words(collapse_rfc2231_value(name), languages)
    if part.get_content_type() == MAIL and (inner := _parts_of(part)):
        return f"{_subject(inner[0], languages)}.eml"
    return f"attachment{guess_extension(part.get_content_type()) or ''}"


def _properties(message: Message, languages: Sequence[str]) -> dict[str, str]:
    found = {name: ", ".join(_headers(message, header, languages)) for name, header in _PROPERTIES}
    return {name: one_line(value)[:_MAX_PROPERTY_CHARACTERS] for name, value in found.items() if value}


def _facts(message: Message, parts: _Parts, found: Found) -> dict[str, int | str]:
    facts: dict[str, int | str] = {"encoding": ", ".join(sorted(parts.encodings))}
    facts |= {
        "attachments": len(parts.attachments),
        "attachments read": found.read,
        "signatures": parts.signatures,
    }
    known = {name.lower() for name in (*_SHOWN, *_OF_MIME)}
    if others := sorted({name for name in message if name.lower() not in known}):
        facts["headers left out"] = ", ".join(others)
    return {name: value for name, value in facts.items() if value}
