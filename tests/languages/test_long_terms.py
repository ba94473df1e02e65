"""No term is longer than PostgreSQL takes (2,046 bytes), whatever a text is made of."""

import pytest

from inference.language.analyzer import terms

LONG = {
    "numbers": "1336-941 " * 2000,
    "groups": "123" + ",456" * 3000,
    "digits": "7" * 9000,
    "blob": "QUJD" * 3000,
    "camel": "aB" * 3000,
    "hyphens": "ab-" * 3000 + "cd",
    "marks": "ก" + "\u0e31" * 3000,
    "accents": "e" + "\u0301" * 3000,
    "Chinese": "漢" * 3000,
    "capitals": "IT" * 3000,
    "path": "a/b." * 3000 + "c",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("language", ["en", "zh", "th", "und"])
def test_no_term_is_too_long_for_the_index(text: str, language: str) -> None:
    assert max(len(each.text.encode()) for each in terms(text, language)) <= 2_046
