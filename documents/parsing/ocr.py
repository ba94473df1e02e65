"""Recognises the text in pictures with Tesseract (OCR), if it is installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from documents.errors import Unreadable
from inference.language.detection import AUTO

PAGE_TIMEOUT_S = 60.0
DPI = 200

# ISO 639-1 -> Tesseract's language pack. Debian's packages have hyphens in the name: tesseract-ocr-chi-sim
_PACKS = {
    "ar": "ara", "hy": "hye", "eu": "eus", "ca": "cat", "zh": "chi_sim", "da": "dan", "nl": "nld", "en": "eng",
    "et": "est", "fi": "fin", "fr": "fra", "de": "deu", "el": "ell", "hi": "hin", "hu": "hun", "id": "ind",
    "ga": "gle", "it": "ita", "ja": "jpn", "ko": "kor", "lt": "lit", "ne": "nep", "no": "nor", "pl": "pol",
    "pt": "por", "ro": "ron", "ru": "rus", "sr": "srp", "es": "spa", "sv": "swe", "ta": "tam", "th": "tha",
    "tr": "tur", "uk": "ukr", "yi": "yid", "af": "afr", "sq": "sqi", "am": "amh", "az": "aze", "be": "bel",
    "bn": "ben", "bs": "bos", "bg": "bul", "cs": "ces", "cy": "cym", "eo": "epo", "fa": "fas", "fil": "fil",
    "fy": "fry", "ka": "kat", "gl": "glg", "gu": "guj", "he": "heb", "hr": "hrv", "is": "isl", "kk": "kaz",
    "km": "khm", "kn": "kan", "la": "lat", "lb": "ltz", "lo": "lao", "lv": "lav", "mk": "mkd", "ml": "mal",
    "mr": "mar", "ms": "msa", "mt": "mlt", "my": "mya", "nb": "nor", "nn": "nor", "pa": "pan", "ps": "pus",
    "si": "sin", "sk": "slk", "sl": "slv", "sw": "swa", "te": "tel", "ur": "urd", "uz": "uzb", "vi": "vie",
}  # fmt: skip
_NOT_LATIN = {
    "ar",
    "hy",
    "zh",
    "el",
    "hi",
    "ja",
    "ko",
    "ne",
    "ru",
    "sr",
    "ta",
    "th",
    "uk",
    "yi",
    "am",
    "be",
    "bn",
    "bg",
    "fa",
    "ka",
    "gu",
    "he",
    "kk",
    "km",
    "kn",
    "lo",
    "mk",
    "ml",
    "mr",
    "my",
    "pa",
    "ps",
    "si",
    "te",
    "ur",
}
_OTHERS = ("eng", "deu", "fra", "spa")  # these read Latin letters if the language's own pack is missing
_INSTALL = "Ask your operator to install {package}, then press Retry."
NOT_INSTALLED = (
    "This is a picture or a scan: it contains no text. Text recognition (OCR) could read it, but is not "
    f"installed here. {_INSTALL.format(package='tesseract-ocr')}"
)
NOTHING_FOUND = "The file contains no text, and text recognition (OCR) found no words in its pictures either."
_NO_PACK = f"Text recognition (OCR) is not installed for the language of this picture. {_INSTALL}"


class Recogniser:
    """Tesseract with the packs for some languages.

    Raises Unreadable if Tesseract or all the packs are missing.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise Unreadable(NOT_INSTALLED)
        self._program = program
        said = self._run(["--list-langs"], timeout_s=PAGE_TIMEOUT_S)
        installed = set(said.split())
        self._packs = _packs(languages or ("en",), installed)
        # With the `osd` pack it also detects the orientation of a page.
        self._layout = "1" if "osd" in installed else "3"

    def read(self, picture: Path, timeout_s: float = PAGE_TIMEOUT_S) -> list[str]:
        """Return the text of each page of a picture; [] if it takes too long or is not a picture."""
        try:
            text = self._run(
                [str(picture), "-", "-l", "+".join(self._packs), "--psm", self._layout, "--dpi", str(DPI)],
                timeout_s,
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            return []
        return text.removesuffix("\f").split("\f")

    def _run(self, arguments: Sequence[str], timeout_s: float) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=True,
            env={"PATH": os.defpath, "OMP_THREAD_LIMIT": "1"}
            | _copy_environment("TESSDATA_PREFIX", "LD_LIBRARY_PATH"),
        )
        return done.stdout.decode("utf-8", "replace")


def _copy_environment(*names: str) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _packs(languages: Sequence[str], installed: set[str]) -> list[str]:
    """Return the installed packs for these languages. Raises Unreadable if there are none."""
    wanted = [_PACKS.get(language, language) for language in languages if language != AUTO] or ["eng"]
    own = [pack for pack in wanted if pack in installed]
    others = [pack for pack in _OTHERS if pack in installed and not _NOT_LATIN.issuperset(languages)]
    if packs := own or others[:1]:
        return packs
    raise Unreadable(_NO_PACK.format(package=f"tesseract-ocr-{wanted[0].replace('_', '-')}"))
