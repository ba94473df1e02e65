"""The languages: ISO 639 codes and their English names, from the Unicode CLDR."""

from babel import Locale
from babel.core import get_global

_NO_LANGUAGES = {"mul", "und", "zxx"}

LANGUAGES: dict[str, str] = {
    code: str(name)
    for code, name in sorted(Locale("en").languages.items(), key=lambda each: str(each[1]))
    if "_" not in code and code not in _NO_LANGUAGES
}


def name_of(code: str) -> str:
    return LANGUAGES.get(code, code)


def current_code(code: str) -> str:
    """Return the code that CLDR has in place of a former, longer or narrower one (`he` for `iw`); else the same."""
    if code in LANGUAGES:
        return code
    return str(get_global("language_aliases").get(code, code)).partition("_")[0]


def code_for(tag: str) -> str | None:
    """Return the code of a language tag (BCP 47) or a name: `pt` for `pt-BR`, `he` for `iw` or Hebrew."""
    main = tag.strip().replace("_", "-").partition("-")[0].lower()
    if (current := current_code(main)) in LANGUAGES:
        return current
    return next((code for code, name in LANGUAGES.items() if name.lower() == tag.strip().lower()), None)
