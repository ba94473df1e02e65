"""Normalization of letters and digits, the same for texts and for questions.

`normalize` removes differences of encoding that no reader sees or means. `unaccented` removes the marks that
people leave out when they type; a term without them is only an additional one, because in many languages the
marks distinguish words.
"""

import unicodedata
from functools import cache

import regex
from opencc import OpenCC

# Scripts without spaces between words, or whose words are compared by bigrams; what stands in a character class
NO_SPACES = (
    r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆\p{Hangul}\p{Bopomofo}\p{Yi}"
    r"\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Tai_Tham}\p{Tai_Le}\p{New_Tai_Lue}\p{Javanese}\p{Balinese}"
)

# Soft hyphens, joiners, byte order marks, directional marks, variation selectors, the Arabic tatweel
_INVISIBLE = regex.compile(
    r"[\u00ad\u034f\u061c\u0640\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\ufeff]"
)
_OTHER_DIGIT = regex.compile(r"[^\P{Nd}0-9]")
# An apostrophe inside a word of these scripts is a letter or a sign of an abbreviation, and people leave it out.
_SIGN_IN_WORD = regex.compile(
    r"(?<=\p{Cyrillic})['’`ʼ](?=\p{Cyrillic})|(?<=\p{Hebrew})[\"'״׳’”](?=\p{Hebrew})|[ʼʻ]|(?<=[lL])[·‧](?=[lL])"
)
_APOSTROPHE_IN_WORD = regex.compile(r"(?<=\p{L})['’‘`](?=\p{L})")
_APOSTROPHE_IS_A_LETTER = {"br", "crh", "gn", "haw", "kaa", "qu", "sm", "to", "ty", "uz"}
_CONTRACTED = regex.compile(r"['’](?:s|t|d|m|ll|re|ve)\b", regex.IGNORECASE)  # women's, don't, we'll
_ARABIC_MARKS = regex.compile(r"[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
_HEBREW_POINTS = regex.compile(r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_NUKTA = "\u093c"
_ARABIC_SCRIPT = regex.compile(r"\p{Arabic}")
# Arabic and Persian keyboards have different code points for the same letters.
_ARABIC_LETTERS = str.maketrans({"ک": "ك", "ی": "ي", "ٱ": "ا"})
_PERSIAN_LETTERS = str.maketrans({"ك": "ک", "ي": "ی", "ى": "ی", "ٱ": "ا"})
_WRITES_PERSIAN_LETTERS = {"fa", "ur", "ps", "sd", "ckb", "ku", "ks", "pnb", "mzn", "lrc"}
_CHINESE = {"zh", "yue", "wuu", "gan", "hak", "nan", "lzh"}
_DOTLESS_I = {"tr", "az", "gag", "crh"}
_DOT_ABOVE = "\u0307"  # of "İ".casefold(), and between the i and the accent of a Lithuanian word

# Marks that are often left out: those on Latin, Greek, Hebrew and Arabic letters, stress in Cyrillic, and ё
_MARKED = regex.compile(
    r"([\p{Latin}\p{Greek}\p{Hebrew}\p{Arabic}])\p{Mn}+|([\p{Cyrillic}])[\u0300\u0301]|(е)\u0308"
)
_BARE_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "ŋ": "n",
        "ħ": "h",
        "ŧ": "t",
    }
)


def normalize(text: str, language: str) -> str:
    """Return the text in the form in which its words are compared, apart from upper and lower case."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    if text.isascii():
        return _CONTRACTED.sub("", text)
    text = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    text = _SIGN_IN_WORD.sub("", text)
    if language in _APOSTROPHE_IS_A_LETTER:
        text = _APOSTROPHE_IN_WORD.sub("", text)
    text = _CONTRACTED.sub("", text)
    if _ARABIC_SCRIPT.search(text):
        letters = _PERSIAN_LETTERS if language in _WRITES_PERSIAN_LETTERS else _ARABIC_LETTERS
        text = _ARABIC_MARKS.sub("", text).translate(letters)
    if language != "yi":
        text = _HEBREW_POINTS.sub("", text)
    if language in _CHINESE:
        text = _simplified().convert(text)
    return text.replace(_NUKTA, "")


def lower(word: str, language: str) -> str:
    """Return the word case-folded by the rules of its language."""
    if language in _DOTLESS_I:
        word = word.replace("İ", "i").replace("I", "ı")
    return word.casefold().replace(f"i{_DOT_ABOVE}", "i").replace(f"j{_DOT_ABOVE}", "j")


def unaccented(word: str) -> str:
    """Return a lower-case word as it is typed without its marks: `almacen`, `soren`, `oeuvre`."""
    if word.isascii():
        return word
    bare = _MARKED.sub(r"\1\2\3", unicodedata.normalize("NFD", word))
    bare = unicodedata.normalize("NFC", bare).translate(_BARE_LETTERS)
    return f"{bare[:-1]}ة" if len(bare) > 3 and bare[-1] == "ه" else bare  # both are written for this ending


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")
