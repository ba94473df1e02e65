"""Every script and language: words, sentences, search and Quotes."""

import itertools
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import snowballstemmer

from inference.language import detection
from inference.language.analyzer import terms
from inference.language.detection import detect
from inference.language.names import LANGUAGES, code_for
from inference.language.sentence_ends import sentence_ends
from inference.language.small_talk import is_small_talk
from inference.language.stems import STEMMED, stem
from inference.language.stop_words import stop_words
from inference.providers.quotes import NO_ANSWER, answer
from inference.types import ChatRequest, Quotable
from tests.languages.texts import NOTICES, Notice
from workspaces.engines.query_parser import parse_query

OTHERS = (
    "The fire drill takes place twice a year.",
    "Printers are refilled by the facility team.",
    "Visitors wear a badge at the gate.",
)


# Not answered: the question has another word for the thing, or no stemmer joins the forms.
GAPS = {("ga", "parking"), ("ka", "keys")}


def quote(question: str, *texts: str) -> str:
    passages = tuple(Quotable(number, "", text) for number, text in enumerate(texts, 1))
    return answer(ChatRequest((), question, passages))


@pytest.mark.parametrize("notice", NOTICES, ids=lambda each: each.language)
def test_a_plain_question_is_answered_by_its_sentence(notice: Notice) -> None:
    assert notice.keys in quote(notice.asked_keys, notice.text) or (notice.language, "keys") in GAPS
    assert notice.parking in quote(notice.asked_parking, notice.text) or (notice.language, "parking") in GAPS


@pytest.mark.parametrize("notice", NOTICES, ids=lambda each: each.language)
def test_a_decomposed_text_is_answered_too(notice: Notice) -> None:
    decomposed = unicodedata.normalize("NFD", f"{notice.text} {notice.asked_parking}")
    assert NO_ANSWER not in quote(notice.asked_parking, decomposed)


@pytest.mark.parametrize("notice", NOTICES, ids=lambda each: each.language)
def test_marks_stay_with_their_words(notice: Notice) -> None:
    """Each word of a text is a term, or in scripts without spaces its clusters are."""
    for term in terms(notice.text, notice.language):
        assert not unicodedata.category(term.text[0]).startswith("M")


@pytest.mark.parametrize("language", sorted(STEMMED))
def test_a_stemmer_leaves_something_of_every_short_word(language: str) -> None:
    letters = sorted({letter for word in stop_words(language) for letter in word if letter.isalpha()})[:60]
    for word in itertools.chain(
        letters, map("".join, itertools.product(letters, repeat=2)), stop_words(language)
    ):
        assert stem(word, language)


def test_threads_share_no_stemmer() -> None:
    words = [f"{begin}{end}" for begin in ("раб", "стол", "книж", "больш", "друж") for end in
             ("ами", "ого", "ый", "ыми", "ение", "ения", "ости", "остями", "иться", "ивший") for _ in range(3)]  # fmt: skip
    numbered = [
        f"{word}{chr(0x430 + number % 32)}{chr(0x430 + number // 32)}"
        for number, word in enumerate(words * 6)
    ]
    alone = snowballstemmer.stemmer("russian")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda word: stem(word, "ru"), numbered))
    assert found == [alone.stemWord(word) for word in numbered]


ENDS = {
    "Hindi": "यह पहला है। यह दूसरा है।", "Sanskrit": "एक॥ दो॥", "Arabic": "متى؟ الآن؟", "Urdu": "یہ ہے۔ وہ ہے۔",
    "Armenian": "Այո։ Ոչ։", "Amharic": "አዎ። አይ።", "Burmese": "ဟုတ်တယ်။ မဟုတ်ဘူး။", "Khmer": "បាទ។ ទេ។",
    "Chinese": "是的。不是！", "Tibetan": "ཨིན། མིན།", "Greek": "Πού; Εδώ.", "English": "Yes. “No?”",
    "a Russian address": "Офис: г. Тверь, ул. Лесная, д. 5. Парковка есть.",
    "an Indonesian address": "Kantor di Jl. Melati No. 5, Bandung. Parkir ada.",
}  # fmt: skip


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_sentences_end_in_every_script(text: str) -> None:
    ends = list(sentence_ends(text))
    assert len(ends) == 2
    assert ends[-1] == len(text)


ALTERNATIONS = [
    ("no", "nøkkel nøkkelen nøkler nøklene"), ("no", "sykkel sykler"), ("no", "gammel gamle"), ("no", "tittel titler titlene"),
    ("da", "artikel artikler artiklerne"), ("da", "middel midler"), ("nn", "regel reglar"),
    ("sv", "nyckel nyckeln nycklar nycklarna"), ("sv", "fågel fågeln fåglar"), ("sv", "himmel himlar"), ("sv", "titel titlar"),
    ("fi", "avain avaimen avaimet avaimella"), ("fi", "puhelin puhelimen puhelimet"),
    ("it", "chiave chiavi"), ("it", "nave navi"), ("it", "motivo motivi"), ("it", "grave gravi"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "forms"), ALTERNATIONS)
def test_forms_whose_stem_alternates_have_one_stem(language: str, forms: str) -> None:
    assert len({stem(form, language) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [("sv", "del hel spel"), ("no", "del spel skap"), ("da", "del tal"), ("fi", "nimi ava toimi")],
)
def test_short_words_keep_apart(language: str, words: str) -> None:
    assert len({stem(word, language) for word in words.split()}) == len(words.split())


FORMS = [
    # language, text, what is asked
    ("es", "El almacén está abierto", "almacen"), ("fr", "un chef-d'œuvre", "oeuvre"), ("pl", "wymiana łącznika", "lacznika"),
    ("ro", "se păstrează", "pastreaza"), ("en", "Ms Sørensen of Győr and Łódź", "sorensen"), ("en", "Győr", "gyor"),
    ("vi", "hợp đồng", "hop dong"), ("tr", "İstanbul", "istanbul"), ("tr", "ISI YALITIMI", "ısı yalıtımı"),
    ("az", "İSTİLİK", "istilik"), ("lt", "Į̇sakymas", "įsakymas"), ("ar", "الكتاب", "کتاب"), ("fa", "کتاب‌خانه", "کتابخانه"),
    ("uk", "комп'ютер", "компʼютер"), ("hi", "२५०", "250"), ("hi", "900", "९००"), ("fa", "۱۲۳۴", "1234"),
    ("bn", "০১৭১২", "01712"), ("zh", "仓库", "倉庫"), ("zh", "柜子里", "柜"), ("ja", "家の鍵", "鍵"),
    ("ja", "ISO9001認証", "iso"), ("ja", "ｻｰﾊﾞｰﾙｰﾑ", "サーバールーム"), ("en", "ware\u200bhouse", "warehouse"),
    ("en", "main-\ntenance", "maintenance"), ("en", "an e-mail", "email"), ("en", "office ﬁlter", "filter"),
    ("en", "Status 🔴 means closed", "🔴"), ("uk", "у шафі", "шафа"), ("sr", "кључеви", "kljucevi"),
    ("sr", "кључеви", "ključevi"), ("en", "12 000 euros", "12,000"), ("en", "1,234,567", "1234567"),
    ("de", "12.000 Euro", "12\u202f000"), ("en", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ("he", 'דו"ח', "דוח"), ("ga", "na heochracha", "eochracha"), ("el", "όταν", "οταν"), ("hi", "कर्मचारी", "कर्मचारी"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "asked"), FORMS)
def test_a_form_is_found_by_the_terms_of_another(language: str, text: str, asked: str) -> None:
    stored = {term.text for term in terms(text, language)}
    wanted = {term.text for term in terms(asked, language)}
    assert stored & wanted


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("C++ templates", "c++"),
        ("in C# and F#", "c#"),
        ("the .NET runtime", ".net"),
        ("java -jar app.jar", "-jar"),
        ("Who leads IT?", "IT"),
    ],
)
def test_names_with_signs_are_terms(text: str, term: str) -> None:
    assert term in {each.text for each in terms(text, "en")}


@pytest.mark.parametrize(
    "text", ["Merhaba", "안녕하세요", "Dzień dobry!", "नमस्ते", "שלום", "สวัสดีครับ", "Xin chào"]
)
def test_greetings_of_other_languages_ask_nothing(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    ("text", "candidates", "language"),
    [
        ("会議室の鍵は受付にあります。", ["zh", "ja", "ko"], "ja"),
        ("Ključevi su u ormaru pored vrata.", ["en", "sr", "ru"], "sr"),
        ("Nøkkelen ligger i skapet ved døren.", ["en", "no", "da"], "no"),
        ("Tá na heochracha sa chófra in aice leis an doras.", ["en", "ga", "eu"], "ga"),
        ("Giltzak armairuan daude, atearen ondoan.", ["en", "ga", "eu"], "eu"),
    ],
)
def test_the_language_of_a_sentence_is_detected(text: str, candidates: list[str], language: str) -> None:
    assert detect(text, candidates) == language


@pytest.mark.parametrize(
    "text",
    [
        "x = f(y) + 3.14 * sin(z)",
        "xkcd_42.tar.gz",
        "qqq",
        "ዐ",
        "Ɛ",
        "ⴰⵣⵓⵍ",
        "𐤀𐤁",
        "ᏣᎳᎩ",
        "Lorem ipsum dolor",
        "mba'éichapa",
    ]
    + [notice.text for notice in NOTICES],
)
def test_only_a_language_that_is_offered_is_detected(text: str) -> None:
    assert detect(text) in {*LANGUAGES, None}


@pytest.mark.parametrize("code", ["zxx", "gcr", "gcf", "hbo", "bcl", "gug", "kik", "gom"])
def test_a_code_that_is_not_offered_is_never_detected(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = [(code, -1.0), ("arz", -2.0), ("en", -3.0)]
    monkeypatch.setattr(detection, "_identifier", lambda: SimpleNamespace(rank=lambda _: ranked))
    expected = {"zxx": None, "bcl": "bik", "gug": "gn", "kik": "ki", "gom": "kok"}
    assert detect("text") == expected.get(code, "ar")
    assert detect("text", ["en", "ar"]) == "ar"


@pytest.mark.parametrize(
    ("tag", "code"),
    [("iw", "he"), ("in", "id"), ("mo", "ro"), ("cmn", "zh"), ("deu", "de"), ("ger", "de"), ("scc", "sr"), ("fra-CA", "fr"),
     ("zh-Hant-TW", "zh"), ("sh", "sh"), ("tl", "tl"), ("pt_BR", "pt"), ("German", "de"), ("zxx", None), ("", None)],
)  # fmt: skip
def test_a_former_or_longer_code_stands_for_the_current_one(tag: str, code: str | None) -> None:
    assert code_for(tag) == code


def test_a_pair_is_answered_by_its_answer() -> None:
    pair = Quotable(
        1, "Who repairs the lift?", "Who repairs the lift?\n\nCall the porter. He has the number."
    )
    assert (
        answer(ChatRequest((), "Who repairs the lift?", (pair,))) == "Call the porter. He has the number. [1]"
    )


def test_links_are_quoted_as_their_text() -> None:
    assert quote("Where is the form?", "The form is on [the intranet](https://x.example/a_(b)).") == (
        "The form is on the intranet. [1]"
    )


def test_a_question_in_another_language_is_told_so() -> None:
    said = quote("Wie viele Urlaubstage stehen den Beschäftigten zu?", " ".join(OTHERS))
    assert said.startswith(NO_ANSWER)
    assert "German" in said
    assert "English" in said


@pytest.mark.parametrize("word", ["ㄅㄆㄇ", "ꆈꌠꁱ", "ꦧꦱꦗ", "ᨠᩣᨾ", "仓库の", "〆切日", "ກະແຈ"])
def test_quotes_and_minus_signs_stand_beside_words_of_all_scripts_without_spaces(word: str) -> None:
    assert parse_query(f'{word}"{word}"{word}').phrases == (word,)
    assert parse_query(f"{word} -{word[0]}").excluded == (word[0],)
