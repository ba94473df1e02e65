"""Writes a number of a spreadsheet as its number format shows it: 0.075 with "0.0%" is 7.5%.

The codes are those of ECMA-376, part 1, sections 18.8.30 and 18.8.31, and of Excel's own help page
https://support.microsoft.com/en-us/office/number-format-codes-5026bbd6-04bc-48cd-bf33-80f18b4eae68.
Where a code depends on the reader's computer (the short date), we write ISO 8601.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from .date_names import Context, Width, day_name, month_name

GENERAL = "General"
BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<literal>"[^"]*"?|\\.|_.)|(?P<fill>\*.)|\[(?P<bracket>[^\]]*)\]|(?P<general>General)
    |(?P<half>AM/PM|A/P|上午/下午)|(?P<exponent>E[+-])|(?P<clock>y+|m+|d+|a{3,4}|h+|s+(?:\.0+)?|e+|b+|g+)
    |(?P<digit>[0#?])|(?P<sign>[.,%/@])|(?P<other>.)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+)")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CURRENCY = re.compile(r"\$(?P<sign>[^-]*)(?:-(?P<locale>.*))?")
_COMPARISONS = {"<": (-1,), "<=": (-1, 0), "=": (0,), ">=": (0, 1), ">": (1,), "<>": (-1, 1)}
_MONTH_WIDTHS: dict[int, Width] = {3: "abbreviated", 4: "wide", 5: "narrow"}
_LAST_DAY = 2_958_466  # the first serial number beyond 9999-12-31
_MAX_DECIMALS = 30


class _Token(NamedTuple):
    kind: str  # a group of _TOKEN, or "elapsed"
    text: str


class _Section(NamedTuple):
    tokens: tuple[_Token, ...]
    condition: tuple[str, float] | None
    locale: str = ""  # of the names of months and days, such as "407"; "": English

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)


def write_number(number: float, code: str, *, from_1904: bool = False) -> str:
    """Return the number as the code shows it. from_1904: the day 0 of the workbook's dates is 1904-01-01."""
    section, shows_sign = _choose(number, _sections(code))
    if not section.tokens:
        return ""
    if section.has("clock", "elapsed", "half"):
        return _written_time(number, section, from_1904=from_1904)
    size = number if shows_sign else abs(number)
    if section.has("digit"):
        return _written_number(size, section)
    return "".join(
        general(size) if each.kind == "general" or each.text == "@" else _own(each) for each in section.tokens
    )


def write_text(text: str, code: str) -> str:
    """Return a text as the code shows it: most codes show it as it is."""
    sections = _sections(code)
    section = (
        sections[3] if len(sections) > 3 else next((each for each in sections if _is_of_text(each)), None)
    )
    if section is None:
        return text
    return "".join(text if token.text == "@" else _own(token) for token in section.tokens)


def general(number: float) -> str:
    """Return a number without a format, without the errors of binary fractions: 0.3, not 0.30000000000000004."""
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.15g}".replace("e+", "E+").replace("e-", "E-")


# --- sections -----------------------------------------------------------------------------------


@lru_cache(1000)
def _sections(code: str) -> tuple[_Section, ...]:
    sections: list[list[_Token]] = [[]]
    conditions: list[tuple[str, float] | None] = [None]
    locales = [""]
    for found in _TOKEN.finditer(code or GENERAL):
        kind, text = str(found.lastgroup), found[str(found.lastgroup)]
        if kind == "other" and text == ";":
            sections.append([])
            conditions.append(None)
            locales.append("")
        elif kind == "bracket":
            if condition := _CONDITION.fullmatch(text):
                conditions[-1] = condition[1], float(condition[2])
            elif _ELAPSED.fullmatch(text):
                sections[-1].append(_Token("elapsed", text.lower()))
            elif currency := _CURRENCY.match(text):
                sections[-1].append(_Token("other", currency["sign"]))
                locales[-1] = currency["locale"] or locales[-1]
        elif kind != "fill":
            sections[-1].append(_Token(kind, text))
    parts = zip(map(tuple, sections), conditions, locales, strict=True)
    return tuple(_Section(*part) for part in parts)


def _choose(number: float, sections: Sequence[_Section]) -> tuple[_Section, bool]:
    """Return the section for a number, and whether it shows a minus sign."""
    if any(each.condition for each in sections):
        for each in sections:
            if each.condition is None or _holds(number, *each.condition):
                return each, number < 0
        return _sections(GENERAL)[0], number < 0
    numeric = [each for each in sections[:3] if not _is_of_text(each)] or list(sections)
    if number < 0 and len(numeric) > 1:
        return numeric[1], False
    if number == 0 and len(numeric) > 2:
        return numeric[2], False
    return numeric[0], number < 0


def _holds(number: float, comparison: str, limit: float) -> bool:
    return (number > limit) - (number < limit) in _COMPARISONS[comparison]


def _is_of_text(section: _Section) -> bool:
    return any(token.text == "@" for token in section.tokens) and len(section.tokens) > 1


def _own(token: _Token) -> str:
    """Return a literal's own text."""
    match token.kind:
        case "literal":
            return "" if token.text.startswith("_") else token.text.strip('"').removeprefix("\\")
        case "other" | "sign":
            return token.text
        case _:
            return ""


# --- numbers ------------------------------------------------------------------------------------


def _written_number(number: float, section: _Section) -> str:
    tokens = section.tokens
    if any(token == ("sign", "/") for token in tokens):
        return _written_fraction(number, tokens)
    percent = sum(token == ("sign", "%") for token in tokens)
    last_digit = max(at for at, token in enumerate(tokens) if token.kind == "digit")
    thousands = sum(token == ("sign", ",") for token in tokens[last_digit + 1 :])
    value = Decimal(repr(number)) * (Decimal(100) ** percent) / (Decimal(1000) ** thousands)
    exponent = next((at for at, token in enumerate(tokens) if token.kind == "exponent"), None)
    if exponent is not None:
        return _written_scientific(value, tokens, exponent)
    return ("-" if value < 0 and _rounds_above_zero(value, tokens) else "") + _fill(abs(value), tokens)


def _rounds_above_zero(value: Decimal, tokens: Sequence[_Token]) -> bool:
    return _rounded(abs(value), _decimals(tokens)) != 0


def _decimals(tokens: Sequence[_Token]) -> int:
    point = next((at for at, token in enumerate(tokens) if token == ("sign", ".")), len(tokens))
    return min(sum(token.kind == "digit" for token in tokens[point:]), _MAX_DECIMALS)


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) if value < Decimal(10) ** 20 else value


def _fill(value: Decimal, tokens: Sequence[_Token]) -> str:
    """Put the digits of a number that is not negative into the places of its format."""
    digits, _, decimals = f"{_rounded(value, _decimals(tokens)):f}".partition(".")
    point = next((at for at, token in enumerate(tokens) if token == ("sign", ".")), len(tokens))
    whole = _fill_whole("" if digits == "0" else digits, tokens[:point])
    return whole + _fill_decimals(decimals, tokens[point:])


def _fill_whole(digits: str, tokens: Sequence[_Token]) -> str:
    """Fill the places from the right; the first place takes all digits that are left."""
    places = [at for at, token in enumerate(tokens) if token.kind == "digit"]
    commas = [at for at, token in enumerate(tokens) if token == ("sign", ",")]
    is_grouped = bool(places) and any(places[0] < at < places[-1] for at in commas)
    filled: dict[int, str] = {}
    for at in reversed(places):
        take = digits if at == places[0] else digits[-1:]
        digits = "" if at == places[0] else digits[:-1]
        filled[at] = take or ("0" if tokens[at].text == "0" else "")
    if is_grouped:
        everything = "".join(filled[at] for at in places)
        filled = dict.fromkeys(places, "") | {places[-1]: f"{int(everything or 0):,}" if everything else ""}
        if everything.startswith("0") and len(everything) > 1:  # such as 0,000
            filled[places[-1]] = ",".join(
                reversed([everything[max(0, end - 3) : end] for end in range(len(everything), 0, -3)])
            )
    if not places:
        return "".join(map(_own_of_number, tokens)) + digits
    return "".join(filled[at] if at in filled else _own_of_number(token) for at, token in enumerate(tokens))


def _fill_decimals(decimals: str, tokens: Sequence[_Token]) -> str:
    if not tokens:
        return ""
    needed = max((n for n, token in enumerate(_digits(tokens), 1) if token.text == "0"), default=0)
    kept = decimals[:needed] + decimals[needed:].rstrip("0")
    last = max((at for at, token in enumerate(tokens) if token.kind == "digit"), default=0)
    rest = "".join(map(_own_of_number, tokens[last + 1 :]))
    return (f".{kept}" if kept else "") + rest


def _digits(tokens: Sequence[_Token]) -> list[_Token]:
    return [token for token in tokens if token.kind == "digit"]


def _own_of_number(token: _Token) -> str:
    return "" if token == ("sign", ",") else _own(token)


def _written_scientific(value: Decimal, tokens: Sequence[_Token], exponent: int) -> str:
    mantissa, after = tokens[:exponent], tokens[exponent + 1 :]
    point = next((at for at, token in enumerate(mantissa) if token == ("sign", ".")), len(mantissa))
    step = max(1, len(_digits(mantissa[:point])))
    power = 0 if not value else (value.adjusted() // step) * step
    scaled = value.scaleb(-power)
    if _rounded(abs(scaled), _decimals(mantissa)) >= Decimal(10) ** step:
        power += step
        scaled = value.scaleb(-power)
    sign = "-" if power < 0 else "+" if tokens[exponent].text.endswith("+") else ""
    width = sum(token.text == "0" for token in after)
    minus = "-" if value < 0 else ""
    return f"{minus}{_fill(abs(scaled), mantissa)}E{sign}{abs(power):0{max(1, width)}}"


def _written_fraction(number: float, tokens: Sequence[_Token]) -> str:
    slash = tokens.index(_Token("sign", "/"))
    below = "".join(token.text for token in tokens[slash + 1 :] if token.kind in ("digit", "other"))
    fixed = re.search(r"[1-9]\d*", below)
    before = [at for at, token in enumerate(tokens[:slash]) if token.kind == "digit"]
    has_whole = any(after - at > 1 for at, after in pairwise(before))
    whole, part = divmod(abs(number), 1) if has_whole else (0, abs(number))
    if fixed:
        fraction = (round(part * int(fixed[0])), int(fixed[0]))
    else:
        nearest = Fraction(part).limit_denominator(
            10 ** max(1, below.count("?") + below.count("#") + below.count("0")) - 1
        )
        fraction = (nearest.numerator, nearest.denominator)
    if has_whole and fraction[0] == fraction[1]:
        whole, fraction = whole + 1, (0, 1)
    written = f"{fraction[0]}/{fraction[1]}" if fraction[0] or not has_whole else ""
    minus = "-" if number < 0 else ""
    return minus + " ".join(filter(None, (f"{int(whole)}" if whole or not written else "", written)))


# --- dates and times ----------------------------------------------------------------------------


def _written_time(number: float, section: _Section, *, from_1904: bool) -> str:
    if not 0 <= number < _LAST_DAY:
        return general(number)
    tokens = section.tokens
    decimals = max(
        (len(token.text.partition(".")[2]) for token in tokens if token.kind == "clock"), default=0
    )
    seconds = round(number * 86400, decimals)
    moment = _moment(seconds, from_1904=from_1904)
    has_half = section.has("half")
    return "".join(
        _written_name(token, moment, section)
        or _written_part(token, moment, seconds, has_half, _is_minute(tokens, at))
        for at, token in enumerate(tokens)
    )


def _moment(seconds: float, *, from_1904: bool) -> datetime:
    """Return the date of a serial number. Excel's year 1900 has a 29 February, which never was."""
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if seconds >= 60 * 86400 else 31)
    return start + timedelta(seconds=seconds)


def _is_minute(tokens: Sequence[_Token], at: int) -> bool:
    """Return whether an "m" means minutes: behind the hour, or before the second."""
    if not re.fullmatch("m{1,2}", tokens[at].text, re.IGNORECASE):
        return False
    others = [token for token in tokens if token.kind in ("clock", "elapsed") or token is tokens[at]]
    place = next(n for n, token in enumerate(others) if token is tokens[at])
    before = others[place - 1].text[0].lower() if place else ""
    after = others[place + 1].text[0].lower() if place + 1 < len(others) else ""
    return before == "h" or after == "s" or (before == "s" and after != "d")


def _written_name(token: _Token, moment: datetime, section: _Section) -> str:
    """Return the name of the month or the day, "" for a token of another kind."""
    unit, width = token.text[:1].lower(), min(len(token.text), 5)
    if token.kind != "clock" or unit not in "mda" or width < 3:
        return ""
    if unit != "m":  # Japanese and Chinese codes say aaaa for dddd
        return day_name(moment.weekday(), section.locale, "abbreviated" if width == 3 else "wide")
    has_day = any(re.fullmatch("d{1,2}", each.text, re.IGNORECASE) for each in section.tokens)
    context: Context = "format" if has_day else "stand-alone"
    return month_name(moment.month, section.locale, _MONTH_WIDTHS[width], context)


def _written_part(token: _Token, moment: datetime, seconds: float, has_half: bool, is_minute: bool) -> str:
    text = token.text.lower()
    width = len(text.partition(".")[0])
    match token.kind, text[:1]:
        case "elapsed", unit:
            size = {"h": 3600, "m": 60, "s": 1}[unit]
            return f"{int(seconds // size):0{width}}"
        case "half", _:
            return ("AM" if moment.hour < 12 else "PM")[: 1 if text == "a/p" else 2]
        case "clock", "y" | "e" | "b":
            return f"{moment.year}" if width > 2 or text[0] != "y" else f"{moment.year % 100:02}"
        case "clock", "m" if is_minute:
            return f"{moment.minute:0{width}}"
        case "clock", "m":
            return f"{moment.month:0{width}}"
        case "clock", "d":
            return f"{moment.day:0{width}}"
        case "clock", "h":
            hour = (moment.hour + 11) % 12 + 1 if has_half else moment.hour
            return f"{hour:0{width}}"
        case "clock", "s":
            decimals = len(text.partition(".")[2])
            return (
                f"{moment.second + moment.microsecond / 1e6:0{width + 1 + decimals}.{decimals}f}"
                if decimals
                else f"{moment.second:0{width}}"
            )
        case "sign", ",":
            return ","
        case _:
            return _own(token)
