"""The languages: ISO 639 codes and their English names, from the Unicode CLDR."""

from babel import Locale

_NO_LANGUAGES = {"mul", "und", "zxx"}

LANGUAGES: dict[str, str] = {
    code: str(name)
    for code, name in sorted(Locale("en").languages.items(), key=lambda each: str(each[1]))
    if "_" not in code and code not in _NO_LANGUAGES
}


def name_of(code: str) -> str:
    return LANGUAGES.get(code, code)


def code_for(tag: str) -> str | None:
    """Return the code of a language tag (BCP 47) or a name: `pt` for `pt-BR`, `he` for `iw` or Hebrew."""
    main = tag.strip().replace("_", "-").partition("-")[0].lower()
    main = _FORMER.get(main, main)
    if main in LANGUAGES:
        return main
    return next((code for code, name in LANGUAGES.items() if name.lower() == tag.strip().lower()), None)


_FORMER = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "cmn": "zh", "deu": "de", "eng": "en"}
