"""The names of months and days in the language that a number format names, from the Unicode CLDR."""

from functools import lru_cache
from locale import windows_locale
from typing import Literal

from babel import Locale, UnknownLocaleError

Width = Literal["wide", "abbreviated", "narrow"]
Context = Literal["format", "stand-alone"]
_ENGLISH = "en_US"
_LANGUAGE_BITS = 0xFFFF  # of an LCID; those above choose a calendar and digits


def month_name(month: int, locale: str, width: Width, context: Context) -> str:
    """Return the name. month: from 1. context: "format" with a day, for which many languages inflect the month."""
    return str(_locale(locale).months[context][width][month])


def day_name(weekday: int, locale: str, width: Width) -> str:
    """Return the name. weekday: from 0, Monday."""
    return str(_locale(locale).days["format"][width][weekday])


@lru_cache(100)
def _locale(code: str) -> Locale:
    """Return the locale of an LCID in hexadecimal, such as "407", or of a tag, such as "de-DE"; else English.

    https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-lcid
    """
    try:
        tag = windows_locale.get(int(code, 16) & _LANGUAGE_BITS, _ENGLISH)
    except ValueError:
        tag = code.replace("-", "_")
    try:
        return Locale.parse(tag or _ENGLISH)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_ENGLISH)
