"""Whether Quotes answers plain questions in many languages, and refuses unrelated ones.

    python -m benchmarks.languages

Uses the notices of tests/languages/texts.py: three sentences and two questions in each language. The unrelated
questions are the everyday ones that calibrate the relevance floor. Writes benchmarks/results/languages.md.
"""

from pathlib import Path

# Importing benchmarks.installation sets Django up, in a temporary directory
import benchmarks.installation  # noqa: F401
from documents.retrieval.calibration_questions import EVERYDAY
from inference.language.names import name_of
from inference.language.stems import STEMMED
from inference.language.stop_words import stop_words
from inference.quoting import best_quotes
from inference.types import Quotable
from tests.languages.texts import NOTICES, Notice

RESULT = Path(__file__).parent / "results" / "languages.md"


def quoted(question: str, notice: Notice) -> str:
    return "\n".join(quote.text for quote in best_quotes(question, [Quotable(1, "", notice.text)]))


def row(notice: Notice) -> tuple[int, str]:
    asked = {notice.asked_keys: notice.keys, notice.asked_parking: notice.parking}
    right = sum(sentence in quoted(question, notice) for question, sentence in asked.items())
    unrelated = EVERYDAY.get(notice.language, ())
    refused = sum(not quoted(question, notice) for question in unrelated)
    cells = (
        name_of(notice.language),
        "yes" if notice.language in STEMMED else "no",
        str(len(stop_words(notice.language))),
        f"{right} of {len(asked)}",
        f"{refused} of {len(unrelated)}" if unrelated else "",
    )
    return right, f"| {' | '.join(cells)} |"


def main() -> None:
    rows = [row(notice) for notice in NOTICES]
    table = [
        "# Languages",
        "",
        f"Made by `python -m benchmarks.languages`. Quotes answers {sum(right for right, _ in rows)} of "
        f"{2 * len(rows)} plain questions in {len(rows)} languages with the right sentence.",
        "",
        "| language | stemmer | stop words | answered | unrelated questions refused |",
        "|---|---|---|---|---|",
        *(line for _, line in rows),
        "",
    ]
    RESULT.write_text("\n".join(table))


if __name__ == "__main__":
    main()
