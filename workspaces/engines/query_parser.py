"""The query syntax of every engine: "quoted phrases" are required, -excluded words are forbidden."""

import re
from dataclasses import dataclass

_PHRASE = re.compile(r'["“„«]([^"“”„«»]+)["”“»]')
# `-la` of a command has too few letters, `--all` has one minus too many, `-5` is a number.
_EXCLUDED = re.compile(r'(?:^|(?<=\s))-(?:"([^"]+)"|([^\W\d]\w\w[\w./:#@+-]*))')


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    asked: str  # without its exclusions, but with the quotation marks of its phrases
    plain: str  # without the quotation marks, too
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]  # words and phrases


def parse_query(text: str) -> ParsedQuery:
    asked = _EXCLUDED.sub(" ", text)
    excluded = tuple(phrase or word for phrase, word in _EXCLUDED.findall(text))
    if not asked.strip():  # nothing else is asked, so the minus is not an exclusion
        asked, excluded = text, ()
    phrases = tuple(_PHRASE.findall(asked))
    plain = _PHRASE.sub(r"\1", asked).strip() if excluded or phrases else text
    return ParsedQuery(asked, plain, phrases, excluded)


def plain_query(text: str) -> str:
    """Return the question without query syntax: the text for the embedder and the cross-encoder."""
    return parse_query(text).plain
