"""Which lines of a question are courtesies, and which are its subject."""

import time

import pytest

from workspaces.engines.query_parser import parse_query

ASKED = "The pump on line 4 leaks oil again and the valve is stuck. Which seal do we order for it?"


@pytest.mark.parametrize(
    "question",
    [
        "Hi-fi systems: how do I reset one after the power in the house has failed?",
        "Hello Kitty licence terms, and to whom do we report the number of goods sold?",
        "Hello Kitty\nlicence terms of the year before last",
        "Hello Kitty licence,\nand which goods it covers in Asia",
        "Dear Leader speech of 1994, in which he names the goals for the coming years",
        "Dear Leader speech\nof 1994 and its goals",
        "Beste Praktiken:\nwelche gibt es für den Betrieb?",
        "Cara mia, who wrote the song and in which year was it sung in the contest?",
        "Who pays for it? Thanks to which contract do we get the money back in full?",
        "How late is it allowed to come?\nThanks to whom was the rule made?",
        "Which series has the bar?\nCheers or Frasier, season two",
        "Regards\nis the word which form letter has?",
        "A: 5 volts\nB: 7 volts\nwhich one does the pump need",
        "From: Rome\nTo: Oslo\nhow long does the train take",
        "Sent from my phone: which settings\nchange this text in our mail program?",
        "Hello world\nprograms in Rust and in Go",
    ],
)
def test_no_word_of_a_subject_is_left_out(question: str) -> None:
    assert parse_query(question).asked.split() == question.split()


@pytest.mark.parametrize(
    "greeting",
    ["Hi,", "Hello", "Hi all,", "Dear Mr. Smith,", "Dear Sir or Madam,", "Good morning!", "Sehr geehrte Damen und Herren,", "Liebe Frau Öz,",
     "Bonjour,", "Madame, ", "您好，", "尊敬的客户：", "お世話になっております。", "안녕하세요.", "Уважаемый Иван Ильич!", "Yth. Bapak Budi,"],
)  # fmt: skip
@pytest.mark.parametrize("blank", ["\n", "\n\n"])
def test_a_line_that_is_a_greeting_is_left_out(greeting: str, blank: str) -> None:
    assert parse_query(f"{greeting}{blank}{ASKED}").asked == ASKED


@pytest.mark.parametrize(
    "closing",
    ["Thanks", "Thanks,\nAnna", "Thanks in advance!\n\nAnna Smith\nHead of Sales", "Best regards, Anna", "Kind regards,\nAnna Smith\nTel. 0123 456",
     "Mit freundlichen Grüßen\n\nJörg Öz", "Cordialement,\nZoé", "С уважением,\nИван", "Trân trọng,\nNguyễn An", "-- \nAnna Smith\nSeals Ltd.",
     "Sent from my phone"],
)  # fmt: skip
def test_lines_that_are_a_signature_are_left_out(closing: str) -> None:
    assert parse_query(f"{ASKED}\n\n{closing}").asked == ASKED


def test_of_the_head_of_a_mail_the_subject_stays() -> None:
    mail = f"> From: Anna <anna@x.example>\n> To: help@x.example\n> Subject: Line 4\n>\n> Hi,\n> {ASKED}"
    assert parse_query(mail).asked.split() == ["Subject:", "Line", "4", "Hi,", *ASKED.split()]


def test_a_text_of_courtesies_only_stays_whole() -> None:
    assert parse_query("Hi,\nthanks a lot\nAnna").asked == "Hi,\nthanks a lot\nAnna"


@pytest.mark.parametrize(
    "text",
    ["Thanks\n" * 3000, f"hi {'a ' * 20_000}\nb", f"Thanks,{' a' * 20_000}\n{'b ' * 20_000}?", "From: a\n" * 9000,
     f"Dear {'a.b-' * 9000}\n?", f"Thanks\n{'a' * 20_000}?\n{'b' * 20_000}?", f"x\nThanks{chr(10) * 5000}?", f"x\nThanks{' ' * 9000}?"],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    parse_query(text)
    assert time.process_time() - started < 1
