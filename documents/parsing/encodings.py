"""Decodes bytes of unknown encoding, and says how sure it is.

Labels mean what the Encoding standard says (https://encoding.spec.whatwg.org/): "iso-8859-1" is windows-1252 and
"gb2312" is GBK. Undeclared encodings are detected over the whole file.
"""

import codecs
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import chardet
import webencodings

from .types import Facts, ReadingNote

LOST = "\ufffd"  # stands for bytes that the encoding does not explain

# UTF-32 first: its little-endian byte order mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_JIS = range(0x21, 0x7F)
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\(I")
_CONTROL = re.compile(rb"[\0-\x03]")
_LATIN_LETTER = re.compile(rb"[A-Za-z]")
_MAX_LATIN_SHARE = 0.6  # of the bytes of UTF-16; text in one byte each with a few zeros has more
_COMMON_IN_ANY_TEXT = frozenset(" \n0123456789,.:;-\u3000\u3001\u3002\uff0c")

# Encodings of files that people have, as chardet names them. The ISO encodings that are absent are rare, or are
# subsets of a Windows encoding.
_DETECTED = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-13", "koi8-r", "koi8-u", "cp866",
    "mac-roman", "mac-cyrillic", "cp850", "cp852", "gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949",
)  # fmt: skip
# The encoding that Windows uses in each language; windows-1252 in all others
_USUAL = (
    dict.fromkeys(("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"), "cp1250")
    | dict.fromkeys(("be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"), "cp1251")
    | dict.fromkeys(("az", "ku", "tr"), "cp1254")
    | dict.fromkeys(("ar", "fa", "ur"), "cp1256")
    | dict.fromkeys(("et", "lt", "lv"), "cp1257")
    | {
        "el": "cp1253",
        "he": "cp1255",
        "vi": "cp1258",
        "th": "cp874",
        "ja": "cp932",
        "ko": "cp949",
        "zh": "gb18030",
    }
)
_WESTERN = "cp1252"
_RARE = {"mac-cyrillic": 0.8}  # it explains every byte, and differs from windows-1251 in capital letters only
_STANDARD_NAMES = {
    "big5hkscs": "big5", "cp874": "windows-874", "cp932": "shift_jis", "cp949": "euc-kr", "euc_jis_2004": "euc-jp",
}  # fmt: skip
_SAMPLE_BYTES = 200_000
_REPAIRED_BYTES = 20_000
# Measured on sentences in 31 languages and 68 encodings: chardet's wrong guesses lie below this confidence.
_SURE = 0.25
_WEAK = 0.12  # below this, a few letters decide, and the languages of the workspace say more


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    encoding: str  # by its name in the Encoding standard, or else in Python
    how: Literal["valid", "declared", "detected"]  # valid: marked, or no other encoding explains these bytes
    is_sure: bool = True

    @property
    def facts(self) -> Facts:
        unsure = "" if self.is_sure else ", not certain"
        return {"encoding": self.encoding if self.how == "valid" else f"{self.encoding} ({self.how}{unsure})"}

    @property
    def notes(self) -> tuple[ReadingNote, ...]:
        return tuple(self._notes())

    def _notes(self) -> Iterator[ReadingNote]:
        if not self.is_sure:
            sentence = (
                f"The file does not say its encoding. {self.encoding} fits best, but this is not certain: if letters "
                "are wrong, save the file as UTF-8 and add it again."
            )
            yield ReadingNote("warning", sentence)
        if lost := self.text.count(LOST):
            places = "1 character is" if lost == 1 else f"{lost:,} characters are"
            yield ReadingNote("warning", f"{places} not valid {self.encoding} and shown as {LOST}.", lost)


def warm_up() -> None:
    """Load chardet's models: they take 0.1 s, as long as reading a file."""
    chardet.detect("ä".encode(_WESTERN))


def decode(data: bytes, languages: Sequence[str] = (), *, declares: bool = False) -> str:
    """Return the text of these bytes. Never fails: bytes that no encoding explains become U+FFFD.

    declares: the format may declare its encoding near the top (HTML, XML).
    """
    return decoded(data, declared_label(data) if declares else None, languages).text


def decoded(data: bytes, label: str | None = None, languages: Sequence[str] = ()) -> Decoded:
    """Return the text of these bytes, and how it was found. Never fails.

    label: what the format declares, such as "gb2312"; a wrong label is ignored.
    languages: ISO 639-1 codes that the text may be in. They decide where a few letters are all there is.
    """
    return (
        _marked(data)
        or _japanese_mail(data)
        or _wide(data)
        or _strictly(data, "utf-8", "valid")
        or _as_declared(data, label)
        or _mostly_utf8(data)
        or _detected(data, languages)
    )


def declared_label(data: bytes) -> str | None:
    """Return the encoding that HTML or XML declares near its top."""
    found = _DECLARED.search(data[:4096])
    return found[1].decode("ascii", "replace") if found else None


def _name(codec: str) -> str:
    standard = webencodings.lookup(_STANDARD_NAMES.get(codec, codec))
    return standard.name if standard else codec


def _marked(data: bytes) -> Decoded | None:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(codec, "replace"), _name(codec.removesuffix("-sig")), "valid")
    return None


def _strictly(data: bytes, codec: str, how: Literal["valid", "declared", "detected"]) -> Decoded | None:
    try:
        return Decoded(data.decode(codec), _name(codec), how)
    except UnicodeError:
        return None


# --- encodings with a pattern -------------------------------------------------------------------


def _japanese_mail(data: bytes) -> Decoded | None:
    """Decode ISO-2022-JP, which consists of ASCII bytes and escape sequences."""
    if not _ISO_2022_JP.search(data):
        return None
    text = iso_2022_jp(data)
    return None if LOST in text else Decoded(text, "iso-2022-jp", "valid")


def iso_2022_jp(data: bytes) -> str:
    """Return the text with the characters that Windows adds, such as ① and ㈱, which Python's codec refuses.

    They are in row 13 of the table, which Shift_JIS has too: each pair of bytes is converted to Shift_JIS
    (https://encoding.spec.whatwg.org/#iso-2022-jp-decoder).
    """
    first, *parts = re.split(rb"\x1b(\$[@B]|\([BJI])", data)
    text = [first.decode("ascii", "replace")]
    for escape, part in zip(parts[::2], parts[1::2], strict=True):
        if escape == b"(I":
            text.append(bytes(byte | 0x80 for byte in part).decode("cp932", "replace"))
        elif escape.startswith(b"("):
            text.append(part.decode("ascii", "replace"))
        else:
            text.append(_pairs_to_shift_jis(part).decode("cp932", "replace"))
    return "".join(text)


def _pairs_to_shift_jis(part: bytes) -> bytes:
    out, pairs = bytearray(), iter(part)
    for row in pairs:
        if row not in _JIS:  # a line end inside the escape
            out.append(row)
            continue
        cell = next(pairs, 0)
        if cell not in _JIS:
            out.append(0xFF)  # no character
            continue
        lead = (row + 1) // 2 + (0x70 if row <= 0x5E else 0xB0)
        out += bytes((lead, cell + (0x1F if cell < 0x60 else 0x20) if row % 2 else cell + 0x7E))
    return bytes(out)


def _wide(data: bytes) -> Decoded | None:
    """Decode UTF-32 and UTF-16 without a byte order mark.

    Their spaces, digits, line ends and Chinese full stops contain control bytes, which no other text has.
    """
    if not _CONTROL.search(data):
        return None
    sample = data[:_SAMPLE_BYTES]
    if len(_LATIN_LETTER.findall(sample)) > _MAX_LATIN_SHARE * len(sample):
        return None
    for codecs_of_width, width in ((("utf-32-le", "utf-32-be"), 4), (("utf-16-le", "utf-16-be"), 2)):
        whole = data[: len(data) // width * width]
        found = [each for codec in codecs_of_width if (each := _strictly(whole, codec, "detected"))]
        if plausible := [each for each in found if each.text and _is_plausible(each.text)]:
            return min(plausible, key=lambda each: _blocks(each.text))
    return None


def _is_plausible(text: str) -> bool:
    sample = text[:20_000]
    common = sum(character in _COMMON_IN_ANY_TEXT for character in sample)
    odd = sum(not (each.isprintable() or each.isspace()) for each in sample)
    return common >= 0.005 * len(sample) and odd <= 0.02 * len(sample)


def _blocks(text: str) -> int:
    """Return the number of blocks of 256 characters in use. With the wrong byte order, it is far higher."""
    return len({ord(character) >> 8 for character in text[:20_000]})


# --- encodings by what the text says -------------------------------------------------------------


def _as_declared(data: bytes, label: str | None) -> Decoded | None:
    """Decode as the label says, unless it cannot be true: bytes of a wrong encoding are full of errors."""
    standard = webencodings.lookup(label) if label else None
    if (
        standard is None
        or standard.name in ("replacement", "x-user-defined")
        or standard.name.startswith("utf-")
    ):
        return None
    text, _ = standard.codec_info.decode(data, "replace")
    return Decoded(text, standard.name, "declared") if _is_mostly_valid(text) else None


def _is_mostly_valid(text: str) -> bool:
    return 20 * text.count(LOST) <= sum(not character.isascii() for character in text)


def _mostly_utf8(data: bytes) -> Decoded | None:
    """Decode UTF-8 with a few odd bytes. Text in another encoding has hardly any valid sequence of UTF-8."""
    text = data.decode("utf-8", "replace")
    valid = sum(not character.isascii() and character != LOST for character in text)
    return Decoded(text, "utf-8", "detected") if valid >= 2 * text.count(LOST) else None


def _detected(data: bytes, languages: Sequence[str]) -> Decoded:
    """Decode with the encoding that chardet finds likeliest, with the languages of the workspace as a hint."""
    scores: dict[str, float] = defaultdict(float)
    for codec, score in _guesses(_telling_lines(data), languages):
        scores[codec] = max(scores[codec], score)
    confidence = max(scores.values(), default=0.0)
    if confidence < _WEAK:
        # In the order of the languages, so that every process decides alike; not with what the bytes cannot be.
        for codec in dict.fromkeys([*(_USUAL.get(code, _WESTERN) for code in languages), _WESTERN]):
            scores[codec] += _WEAK / 2 if _strictly(data, codec, "detected") else 0
    codec = max(scores, key=lambda codec: scores[codec])
    return Decoded(data.decode(codec, "replace"), _name(codec), "detected", is_sure=confidence >= _SURE)


def _telling_lines(data: bytes) -> bytes:
    """Return a sample of the lines that are not ASCII, from the whole file."""
    lines = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    step = 1 + sum(map(len, lines)) // _SAMPLE_BYTES
    return b"".join(lines[::step])[:_SAMPLE_BYTES]


def _guesses(sample: bytes, languages: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield codecs with chardet's confidence, weighted by the languages."""
    yield from _ask(sample, _DETECTED, languages)
    for codec in _DETECTED:  # chardet drops an encoding at its first odd byte
        text = sample[:_REPAIRED_BYTES].decode(codec, "replace")
        if LOST in text and _is_mostly_valid(text):
            yield from _ask(text.replace(LOST, "").encode(codec), [codec], languages)


def _ask(sample: bytes, among: Iterable[str], languages: Sequence[str]) -> Iterator[tuple[str, float]]:
    guesses = chardet.detect_all(
        sample, ignore_threshold=True, max_bytes=max(1, len(sample)), compat_names=False,
        include_encodings={*among, _WESTERN},
    )  # fmt: skip
    for guess in guesses:
        codec = guess["encoding"]
        if codec and guess["language"]:  # else nothing matches, and chardet returns its default
            weight = 1.3 if guess["language"] in languages else 1
            yield codec, guess["confidence"] * weight * _RARE.get(codec, 1)
