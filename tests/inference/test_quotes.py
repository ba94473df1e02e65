"""What a newcomer without a language model reads."""

import time

import pytest

from inference.providers.quotes import GREETING, NO_ANSWER, NO_PASSAGES, answer
from inference.types import ChatRequest, Quotable

POLICY = """# Travel policy

## Refunds

You get your money back within 14 days, e.g. by bank transfer. Send the form to Dr. Smith.

- Trains: second class, up to 4 hours
- Flights: economy only

| Country | Daily rate |
|---|---|
| Germany | 28 EUR |
| France | 32 EUR |
"""
INSTALL = """## Installing

Run `make run`. It starts everything.

```
$ make run --with-port 8080
$ export DATABASE_URL=postgres://localhost/ragsite
```

The database is set with DATABASE_URL. Ctrl-C stops it.
"""
LEAVE = """can carry it over until 31 March. Employees get 26 days of
paid annual leave per calendar year. Up to 5 unused days can be carried
over."""
PASSAGES = (
    Quotable(1, "Travel", POLICY),
    Quotable(2, "README", INSTALL),
    Quotable(3, "hr.txt", LEAVE),
)


def ask(question: str, *passages: Quotable) -> str:
    return answer(ChatRequest((), question, passages or PASSAGES))


ANSWERS = {
    "a sentence with abbreviations": (
        "How many days until I get my money back?",
        "You get your money back within 14 days, e.g. by bank transfer. [1]",
    ),
    "a list item": ("Which class in trains?", "Trains: second class, up to 4 hours [1]"),
    "a row of a table with its first row": (
        "What is the daily rate for France?",
        "Country: France | Daily rate: 32 EUR [1]",
    ),
    "wrapped lines": (
        "How much annual leave do employees get?",
        "Employees get 26 days of paid annual leave per calendar year. [3]",
    ),
    "a whole block of code": (
        "Which port does make run have?",
        "```\n$ make run --with-port 8080\n$ export DATABASE_URL=postgres://localhost/ragsite\n```\n\n [2]",
    ),
    "inflected words": ("stopping with ctrl", "Ctrl-C stops it. [2]"),
    "below a heading that matches": ("How do I install it?", "Run `make run`. [2]"),
}


@pytest.mark.parametrize(("question", "quote"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_sentence_that_answers_is_quoted_and_cited(question: str, quote: str) -> None:
    assert quote in ask(question)


def test_one_quote_is_a_sentence_and_several_are_a_list() -> None:
    rome = Quotable(1, "Rome", "Rome was founded in 753 BC.")
    legend = Quotable(2, "Legends", "By legend, Romulus founded Rome himself. Cats sleep a lot.")
    assert ask("When was Rome founded?", rome) == "Rome was founded in 753 BC. [1]"
    assert ask("Who founded Rome?", rome, legend).splitlines() == [
        "- Rome was founded in 753 BC. [1]",
        "- By legend, Romulus founded Rome himself. [2]",
    ]


def test_at_most_three_are_quoted_in_reading_order() -> None:
    text = "The moon is grey. Mars is red. The moon moves tides. The moon is round. The moon is far."
    lines = ask("What about the moon?", Quotable(4, "Sky", text)).splitlines()
    assert len(lines) == 3
    assert [text.index(line[2:-4]) for line in lines] == sorted(text.index(line[2:-4]) for line in lines)


def test_the_same_sentence_of_two_passages_is_quoted_once() -> None:
    whole = Quotable(1, "A", "The harbour opens at nine in the morning. Boats come.")
    cut = Quotable(2, "A", "opens at nine in the morning. Boats come.")
    assert ask("When does the harbour open?", whole, cut) == "The harbour opens at nine in the morning. [1]"


def test_of_two_equal_sentences_the_higher_passage_is_quoted_first() -> None:
    quote = ask("Where is gold?", Quotable(1, "", "Gold is in Peru."), Quotable(2, "", "Gold is in Mali."))
    assert quote.index("[1]") < quote.index("[2]")


def test_a_cut_beginning_is_marked() -> None:
    assert ask("until which date in March?", PASSAGES[2]) == "… can carry it over until 31 March. [3]"


def test_a_heading_alone_is_no_answer() -> None:
    assert ask("What is the refund policy?", Quotable(1, "", "# The refund policy")) == NO_ANSWER


def test_a_sentence_brings_the_code_that_it_announces() -> None:
    text = "To save the harbour, name a directory:\n\n```\nmake save DIR=/somewhere\nls /somewhere\n```\n\nBoats come."
    assert ask("How do I save the harbour?", Quotable(1, "", text)) == (
        "To save the harbour, name a directory:\n\n```\nmake save DIR=/somewhere\nls /somewhere\n```\n\n [1]"
    )
    code_is_best = ask("How do I save the harbour in somewhere with make and DIR?", Quotable(1, "", text))
    assert code_is_best.count("make save") == 1


def test_the_target_of_a_link_is_no_answer_and_not_quoted() -> None:
    crash = Quotable(1, "", "A start may fail. See [above](#go-back-to-the-version-before).")
    backup = Quotable(2, "", "Go back by [restoring a backup](#restore).")
    assert (
        ask("How do I go back to the version before?", crash, backup) == "Go back by restoring a backup. [2]"
    )


def test_common_words_alone_are_no_answer() -> None:
    assert ask("What is it that they do with it?") == NO_ANSWER
    assert ask("Who is the king of Spain?") == NO_ANSWER


def test_without_passages_it_says_what_it_needs() -> None:
    assert answer(ChatRequest((), "Who came?")) == NO_PASSAGES
    assert answer(ChatRequest((), "Hello?")) == GREETING


LANGUAGES = {
    "German": ("Wann öffnen die Läden?", "Der Laden öffnet um neun. Es regnet oft.", "Der Laden öffnet um neun."),
    "Spanish": ("¿Cuándo abren las tiendas?", "La tienda abre a las nueve. Llueve mucho.", "La tienda abre a las nueve."),
    "Russian": ("Когда открываются магазины?", "Магазин открывается в девять. Идёт дождь.", "Магазин открывается в девять."),
    "Chinese": ("中国的首都是哪里？", "上海是最大的城市。中国的首都是北京。", "中国的首都是北京。"),
    "Japanese": ("首都はどこですか。", "大阪は大きい。日本の首都は東京です。", "日本の首都は東京です。"),
    "Korean": ("수도는 어디입니까?", "부산은 크다. 한국의 수도는 서울이다.", "한국의 수도는 서울이다."),
}  # fmt: skip


@pytest.mark.parametrize(("question", "text", "quote"), LANGUAGES.values(), ids=LANGUAGES.keys())
def test_other_languages(question: str, text: str, quote: str) -> None:
    assert ask(question, Quotable(1, "", text)) == f"{quote} [1]"


def test_a_hostile_text_takes_no_time() -> None:
    began = time.process_time()
    for text in (
        "a. " * 20_000,
        "(" * 50_000,
        "| " * 30_000,
        "A.B." * 20_000,
        '."' * 30_000,
        " " * 50_000 + "x",
    ):
        ask("What is a?", Quotable(1, "t", text))
    assert time.process_time() - began < 10
