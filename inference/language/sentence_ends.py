"""Where sentences end, in every script: the rule of Quotes and of every chunking strategy.

The marks are those of Unicode Standard Annex 29 (the property Sentence_Break). Unlike the annex, the marks of
Latin, Greek and Cyrillic end a sentence only before white space, because many stand inside a word
(`example.org`), and a full stop after an abbreviation does not.
"""

from collections.abc import Iterator

import regex

# The Tibetan and Thai marks are no sentence terminators in Unicode, but people end sentences with them.
_END = regex.compile(
    r"""(?V1)(?:(?P<spaced>[.!?…‼⁇⁈⁉]+|(?<=\p{Greek});)|(?:[\p{SB=STerm}--[!?‼⁇⁈⁉]]|[༎།๚๛])+)
    ["'”’“»«」』〉》)\]）］*_]*(?(spaced)(?=\s|\Z))""",
    regex.VERBOSE,
)
_SHORT = """
    mr mrs ms dr prof sr jr st vs etc cf approx dept est fig figs eq eqs sec ch vol no nos p pp ed eds al inc ltd corp co gen col lt
    capt rev hon gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec
    bzw ca usw vgl nr str tel zzgl inkl ggf evtl geb gest abs art bspw sog mio mrd hl jh
    pág págs núm sra srta ud uds av mm mme mlle env janv févr juill bd tél dott sig ecc pag ing avv dra ex
    bijv enz blz dhr mevr drs osv kl tlf jf kr stk resp jl tlp kec kab prov hj
    ul al godz np tzn mgr inż itd itp pkt ust poz čp např tj tzv atd apod odst písm sz stb pl ill kb ún em ker fszt
    cad cd sok sk mah apt vb bkz örn blv bl sc et ap jud dvs esim ym yms ks puh os kpl tp ths npr br
    οδ τηλ αρ κα κλπ ул стр корп кв им руб коп тел обл пос пр пер просп млн млрд тыс см рис гл вул буд грн бул гр бр лв др
"""
_ABBREVIATION = regex.compile(
    r"""(?:^|[\s(\["'“‘«„])(?:\p{{L}}\p{{M}}*|(?:\w+\.)+\w{{1,3}}|{})\.$""".format("|".join(_SHORT.split())),
    regex.IGNORECASE,
)  # one letter is an initial, or a town or a house in Russian; then e.g, z.B, U.S
_ORDINAL = regex.compile(
    r"(?:^|[^.\s]\s)\d{1,2}\.$"
)  # "am 3. Oktober", but not the house in "ул. Лесная, д. 5."
_LOOK_AHEAD = 8  # characters after the last offset, which show that a mark there is inside a word
_LOOK_BACK = 20  # characters before a full stop that decide whether it ends an abbreviation
_CLOSED = regex.compile(rf"(?:{_END.pattern})\Z|[:;][\"'”’»)\]]*\Z", regex.VERBOSE)


def sentence_ends(text: str, first: int = 0, last: int | None = None) -> Iterator[int]:
    """Yield the offsets in text[first:last] at which a sentence has just ended, after its closing quotes."""
    last = len(text) if last is None else last
    for end in _END.finditer(text, first, last + _LOOK_AHEAD):
        if end.end() > last:
            return
        if not end["spaced"] or not _goes_on(text, first, end):
            yield end.end()


def ends_like_a_sentence(text: str) -> bool:
    """Tell whether the text ends with a mark that ends a sentence, or that announces something."""
    return bool(_CLOSED.search(text.rstrip()))


def _goes_on(text: str, first: int, end: "regex.Match[str]") -> bool:
    if text[end.end() : end.end() + 4].lstrip()[:1].islower():  # "approx. five", "‘Really?’ she said"
        return True
    if end.group() != ".":
        return False
    before = text[max(first, end.start() - _LOOK_BACK) : end.start() + 1]
    return bool(_ABBREVIATION.search(before) or _ORDINAL.search(before))
