"""The syntax of a question, the same for every engine: "phrases in quotes" must stand there, -excluded words must not."""

import re
from dataclasses import dataclass

_PHRASE = re.compile(r'["“„«]([^"“”„«»]+)["”“»]')
# `-la` of a command has too few letters, `--all` one minus too many, `-5` is a number.
_EXCLUDED = re.compile(r'(?:^|(?<=\s))-(?:"([^"]+)"|([^\W\d]\w\w[\w./:#@+-]*))')


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    asked: str  # without what it excludes, with the marks of its phrases
    plain: str  # and without those marks
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]  # words and phrases


def parse_query(text: str) -> ParsedQuery:
    asked = _EXCLUDED.sub(" ", text)
    excluded = tuple(phrase or word for phrase, word in _EXCLUDED.findall(text))
    if not asked.strip():  # nothing else is asked
        asked, excluded = text, ()
    phrases = tuple(_PHRASE.findall(asked))
    plain = _PHRASE.sub(r"\1", asked).strip() if excluded or phrases else text
    return ParsedQuery(asked, plain, phrases, excluded)


def plain_query(text: str) -> str:
    """Return what a question says in plain words: what is embedded and read by a cross-encoder."""
    return parse_query(text).plain
