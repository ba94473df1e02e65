"""Text files in the encodings that people have."""

from collections.abc import Callable

import pytest

from documents.ingestion.extract import Extraction
from documents.parsing.encodings import decoded
from tests.documents.parsing import files

from .conftest import sentences, text_of

Read = Callable[..., Extraction]

_SENTENCES = {
    "pl": "Urządzenie należy wyłączyć przed czyszczeniem. Części zamienne są dostępne w dziale obsługi klienta, "
    "który również udziela wyjaśnień dotyczących gwarancji.",
    "cs": "Před čištěním je nutné přístroj vypnout. Náhradní díly jsou k dispozici v oddělení služeb zákazníkům, "
    "které také vysvětluje záruční podmínky.",
    "hu": "A készüléket tisztítás előtt ki kell kapcsolni. Az alkatrészek az ügyfélszolgálaton kaphatók, amely a "
    "jótállással kapcsolatos kérdésekre is választ ad.",
    "ru": "Перед чисткой прибор следует выключить. Запасные части можно получить в отделе обслуживания, который "
    "также отвечает на вопросы о гарантии.",
    "uk": "Перед чищенням прилад слід вимкнути. Запасні частини можна отримати у відділі обслуговування, який також "
    "відповідає на запитання про гарантію. Її термін: рік.",
    "el": "Πριν από τον καθαρισμό η συσκευή πρέπει να απενεργοποιηθεί. Τα ανταλλακτικά διατίθενται από το τμήμα "
    "εξυπηρέτησης πελατών.",
    "tr": "Temizlikten önce cihazın kapatılması gerekir. Yedek parçalar müşteri hizmetleri bölümünde bulunur; "
    "garantiyle ilgili soruları da bu bölüm yanıtlar. Işık söner.",
    "he": "יש לכבות את המכשיר לפני הניקוי. חלקי חילוף זמינים במחלקת שירות הלקוחות, שמשיבה גם על שאלות בנוגע לאחריות.",
    "ar": "يجب إيقاف تشغيل الجهاز قبل التنظيف. تتوفر قطع الغيار في قسم خدمة العملاء الذي يجيب أيضا عن أسئلة الضمان.",
    "lt": "Prieš valymą prietaisą būtina išjungti. Atsarginių dalių galima įsigyti klientų aptarnavimo skyriuje, kuris "
    "taip pat atsako į klausimus apie garantiją.",
    "th": "ต้องปิดเครื่องก่อนทำความสะอาด อะไหล่มีจำหน่ายที่แผนกบริการลูกค้า ซึ่งตอบคำถามเกี่ยวกับการรับประกันด้วย",
    "fr": "Avant le nettoyage, l'appareil doit être arrêté. Les pièces détachées sont disponibles auprès du service "
    "clientèle, qui répond également aux questions liées à la garantie. Ça dépend de l’été.",
    "ja": "清掃の前に電源を切ってください。交換部品は㈱山田のお客様窓口で購入できます①。保証についての質問にもお答えします。",
    "ko": "청소하기 전에 전원을 꺼 주십시오. 예비 부품은 고객 서비스 부서에서 구할 수 있으며 보증에 관한 질문에도 답합니다.",
    "zh": "清洁之前必须关闭设备。备件可从客户服务部门获得，该部门也回答有关保修的问题。",
    "zh-TW": "清潔之前必須關閉設備。備件可從客戶服務部門取得，該部門也回答有關保固的問題。",
}
_ENCODINGS = {
    "pl": "cp1250 iso8859-2", "cs": "cp1250 iso8859-2", "hu": "cp1250", "ru": "cp1251 koi8-r cp866 iso8859-5",
    "uk": "cp1251 koi8-u", "el": "cp1253 iso8859-7", "tr": "cp1254", "he": "cp1255", "ar": "cp1256", "lt": "cp1257",
    "th": "cp874", "fr": "cp1252", "ja": "cp932", "ko": "cp949", "zh": "gbk gb18030", "zh-TW": "big5",
}  # fmt: skip
_EACH = [(language, each) for language, names in _ENCODINGS.items() for each in names.split()]


@pytest.mark.parametrize(("language", "encoding"), _EACH)
def test_the_encoding_is_detected(read: Read, language: str, encoding: str) -> None:
    said = _SENTENCES[language]
    found = read("a.txt", said.encode(encoding), languages=[language[:2]])
    assert text_of(found) == said
    assert "(detected" in str(found.facts["encoding"])


@pytest.mark.parametrize("language", ["pl", "ru", "ja", "zh", "ko", "el"])
def test_what_no_workspace_language_hints_at_is_detected_too(read: Read, language: str) -> None:
    said = _SENTENCES[language]
    assert text_of(read("a.txt", said.encode(_ENCODINGS[language].split()[0]), languages=["en"])) == said


@pytest.mark.parametrize("language", _SENTENCES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_unicode_is_read_with_and_without_a_mark(read: Read, language: str, encoding: str) -> None:
    assert text_of(read("a.txt", _SENTENCES[language].encode(encoding))) == _SENTENCES[language]


def test_letters_far_behind_much_ascii_count(read: Read) -> None:
    said = "plain words only\n" * 20_000 + _SENTENCES["pl"]
    assert text_of(read("a.txt", said.encode("cp1250"))).endswith(_SENTENCES["pl"])


@pytest.mark.parametrize(
    ("encoding", "language"),
    [("utf-8", "cs"), ("cp932", "ja"), ("gbk", "zh"), ("big5", "zh-TW"), ("cp1251", "ru")],
)
def test_one_odd_byte_loses_one_character(read: Read, encoding: str, language: str) -> None:
    said = _SENTENCES[language] * 3
    half = said.encode(encoding)[: len(said[: len(said) // 2].encode(encoding))]
    data = half + (b"\x98" if encoding == "cp1251" else b"\xff") + said.encode(encoding)[len(half) :]
    found = text_of(read("a.txt", data))
    assert len(found) <= len(said) + 1
    assert sum(one != other for one, other in zip(found, said, strict=False)) < len(said)
    assert found[: len(said) // 2 - 1] == said[: len(said) // 2 - 1]
    assert found[-20:] == said[-20:]


def test_lost_characters_are_counted(read: Read) -> None:
    found = read("a.csv", "Name;Ort\nČapek;Łódź\nMüller;Köln\n".encode() + b"Fran\xe7ois;Lyon\n")
    assert "| Čapek | Łódź |" in text_of(found)
    assert "1 character is not valid utf-8" in sentences(found)


def test_a_guess_from_a_few_letters_is_called_a_guess(read: Read) -> None:
    found = read("a.txt", "Größe café naïve, 15,50 €".encode("cp1252"))
    assert text_of(found) == "Größe café naïve, 15,50 €"
    assert found.facts["encoding"] == "windows-1252 (detected, not certain)"
    assert "save the file as UTF-8" in sentences(found)


def test_valid_unicode_is_no_guess(read: Read) -> None:
    found = read("a.txt", "Größe".encode())
    assert (found.facts["encoding"], found.notes) == ("utf-8", ())


@pytest.mark.parametrize(
    ("label", "encoding", "said"),
    [
        ("iso-8859-1", "cp1252", "5 € – “so”"),
        ("gb2312", "gbk", "朱镕基说"),
        ("shift_jis", "cp932", "㈱山田①"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("tis-620", "cp874", "ห้อง… “หนึ่ง”"),
    ],
)
def test_labels_mean_what_the_standard_says(read: Read, label: str, encoding: str, said: str) -> None:
    source = f'<?xml version="1.0" encoding="{label}"?><a>{said}</a>'
    found = read("a.xml", source.encode(encoding))
    assert text_of(found) == said
    assert "(declared)" in str(found.facts["encoding"])


def test_a_wrong_label_is_ignored(read: Read) -> None:
    source = '<?xml version="1.0" encoding="iso-8859-1"?><a>Žluťoučký kůň</a>'
    assert text_of(read("a.xml", source.encode())) == "Žluťoučký kůň"


def test_characters_that_windows_adds_to_iso_2022_jp_are_read(read: Read) -> None:
    data = b"\x1b$B" + bytes(byte & 0x7F for byte in "㈱".encode("euc_jis_2004")) + b"\x1b(B ok"
    assert text_of(read("a.txt", "予算は".encode("iso2022_jp") + data)) == "予算は㈱ ok"


@pytest.mark.parametrize("parser", ["fast", "web"])
@pytest.mark.parametrize(("language", "encoding"), [("pl", "iso8859-2"), ("ru", "koi8-r"), ("ja", "cp932")])
def test_the_languages_of_the_workspace_help_to_decode_a_page(
    read: Read, language: str, encoding: str, parser: str
) -> None:
    said = _SENTENCES[language]
    page = f"<html><body><main><h1>1</h1><p>{said}</p><p>{said} 2</p></main></body></html>".encode(encoding)
    assert said in text_of(read("a.html", page, parser, languages=[language]))


def test_the_languages_of_the_workspace_help_to_decode_a_book(read: Read) -> None:
    chapter = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><p>{_SENTENCES['pl']}</p></body></html>"
    book = files.epub(chapter.encode("iso8859-2"))
    assert _SENTENCES["pl"] in text_of(read("a.epub", book, languages=["pl"]))


@pytest.mark.parametrize("said", ["工場", "カタログ", "採用情報"])
def test_a_page_of_one_word_is_not_taken_for_what_its_bytes_cannot_be(read: Read, said: str) -> None:
    page = f"<html><body><p>{said}</p></body></html>".encode("cp932")
    assert text_of(read("a.html", page)) == said


def test_an_even_score_is_decided_by_the_languages_of_the_workspace() -> None:
    assert decoded("Ż".encode("cp1250"), languages=["pl"]).encoding == "windows-1250"
