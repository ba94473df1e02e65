"""The query syntax of every engine: "quoted phrases" are required, -excluded words are forbidden.

Quotation marks are those of any language, but not inches (`24"`) or the marks inside Hebrew words. Neither quotes
nor minus signs are syntax in a pasted text or a long sentence. In a short sentence one of several phrases is
enough ("What is the difference between "gross" and "net"?"), and a minus is no exclusion; nor is it one after a
word that ends with a hyphen ("Warenein- und -ausgang"). An engine takes no minus for an exclusion either if its
texts have the word with it (`java -jar`).
"""

from dataclasses import dataclass

import regex

from inference.language.letters import NO_SPACES

from .pasted_text import is_pasted, without_courtesies

_LETTER = rf"[[\p{{L}}\p{{N}}]--[{NO_SPACES}]]"
_AFTER_SPACE = '"" ＂＂ “” „“ „” ”” «» »« ‹› ›‹'
_ANYWHERE = "「」 『』 《》 〈〉 〝〟"
_QUOTED = "|".join(
    [
        rf"(?<!{_LETTER}){a}(?!\s+{b})([^{a}{b}\n]+){b}(?!{_LETTER})"
        for a, b in map(tuple, _AFTER_SPACE.split())
    ]
    + [rf"{a}([^{a}{b}\n]+){b}" for a, b in map(tuple, _ANYWHERE.split())]
)
_PHRASE = regex.compile(rf"(?V1){_QUOTED}")
# `-la` of a command has too few letters, `--all` has one minus too many, `-5` is a number.
_EXCLUDED = regex.compile(
    rf'(?V1)(?:^|(?<=\s))[-−－](?:"([^"]+)"|((?:[{NO_SPACES}]|[^\W\d][\w\p{{M}}][\w\p{{M}}])[\w\p{{M}}./:#@+-]*))'
)
_IS_PART_OF_A_WORD = regex.compile(r"\w-(?:\s+\S+){1,2}\s+$")
_SENTENCE_END = regex.compile(r"(?V1)[\p{SB=STerm}.…;՞][\s\"'”’»)]*$")
_MANY_WORDS = 8  # outside its phrases make a question long


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    asked: str  # without its exclusions, but with the quotation marks of its phrases
    plain: str  # without the quotation marks, too
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]  # words and phrases
    needs_all_phrases: bool = True  # False: one of them is enough


def parse_query(text: str) -> ParsedQuery:
    if is_pasted(text) or len(_PHRASE.sub(" ", text).split()) >= _MANY_WORDS:
        asked = without_courtesies(text)
        return ParsedQuery(asked, asked, (), ())
    is_sentence = bool(_SENTENCE_END.search(text))
    found = [] if is_sentence else _exclusions(text)
    asked, excluded = _without(text, found), tuple(each[1] or each[2] for each in found)
    if not asked.strip():  # nothing else is asked, so the minus is not an exclusion
        asked, excluded = text, ()
    phrases = tuple(next(filter(None, each.groups())).strip() for each in _PHRASE.finditer(asked))
    plain = _PHRASE.sub(lambda each: next(filter(None, each.groups())), asked).strip()
    return ParsedQuery(asked, plain, phrases, excluded, needs_all_phrases=not is_sentence)


def plain_query(text: str) -> str:
    """Return the question without query syntax: the text for the embedder and the cross-encoder."""
    return parse_query(text).plain


def _exclusions(text: str) -> "list[regex.Match[str]]":
    return [each for each in _EXCLUDED.finditer(text) if not _IS_PART_OF_A_WORD.search(text[: each.start()])]


def _without(text: str, found: "list[regex.Match[str]]") -> str:
    for each in reversed(found):
        text = f"{text[: each.start()]} {text[each.end() :]}"
    return text
