"""Which forms of a word search finds by another form, by the same stem or as related forms."""

import pytest

from inference.language.analyzer import terms
from inference.language.related_forms import are_related

# language: pairs of a form that a text has and a form that is asked
FORMS = {
    "ar": "الفاتورة/فاتورة الفواتير/الفواتير المهندسون/المهندسين المدير/مدير",
    "bg": "прозорци/прозорец вратата/врата фактури/фактура сградата/сграда",
    "bn": "দরজাটি/দরজা জানালাগুলি/জানালা",
    "ca": "finestres/finestra factures/factura edificis/edifici connexions/connexió",
    "cs": "okna/okno faktury/faktura budovy/budova výtahem/výtah",
    "da": "vinduer/vindue fakturaer/faktura bygningerne/bygning vinduet/vinduer",
    "de": "Fenstern/Fenster Rechnungen/Rechnung Gebäude/Gebaude Kellerfenster/Fenster Aufzugs/Aufzug",
    "el": "παράθυρα/παράθυρο τιμολόγια/τιμολόγιο κτίρια/κτίριο ανελκυστήρα/ανελκυστήρας",
    "en": "windows/window invoices/invoice buildings/building repaired/repair",
    "es": "ventanas/ventana facturas/factura ascensores/ascensor conexiones/conexión",
    "et": "aknad/aken arved/arve hooned/hoone liftis/lift",
    "eu": "leihoak/leiho fakturak/faktura eraikinean/eraikina igogailuan/igogailua",
    "fa": "پنجره‌ها/پنجره ساختمان‌ها/ساختمان",
    "fi": "ikkunat/ikkuna laskut/lasku rakennuksessa/rakennus hissillä/hissi puhelimet/puhelin",
    "fr": "fenêtres/fenêtre factures/facture bâtiments/bâtiment réparations/réparation",
    "ga": "fuinneoga/fuinneog sonraisc/sonrasc foirgnimh/foirgneamh",
    "he": "חשבוניות/חשבונית המעלית/מעלית הבניין/בניין",
    "hi": "खिड़कियाँ/खिड़की इमारतें/इमारत",
    "hr": "prozori/prozor računi/račun zgrade/zgrada dizalom/dizalo",
    "hu": "ablakok/ablak számlák/számla épületben/épület lifttel/lift",
    "hy": "պատուհաններ/պատուհան շենքում/շենք",
    "id": "jendelanya/jendela bangunan/bangunannya",
    "it": "finestre/finestra fatture/fattura edifici/edificio riparazioni/riparazione chiavi/chiave",
    "ko": "창문을/창문 건물에서/건물",
    "lt": "langai/langas sąskaitos/sąskaita pastatai/pastatas liftu/liftas",
    "lv": "logi/logs rēķini/rēķins ēkas/ēka liftā/lifts",
    "nl": "ramen/raam facturen/factuur gebouwen/gebouw kelderramen/ramen",
    "no": "vinduer/vindu fakturaer/faktura bygningene/bygning sykler/sykkel artiklene/artikkel",
    "pl": "okna/okno faktury/faktura budynki/budynek windą/winda",
    "pt": "janelas/janela faturas/fatura elevadores/elevador ligações/ligação",
    "ro": "ferestre/fereastră facturi/factură clădiri/clădire lifturi/liftul",
    "ru": "окна/окно счета/счёт зданиях/здание лифтом/лифт",
    "sk": "okná/okno faktúry/faktúra budovy/budova výťahom/výťah",
    "sl": "okna/okno računi/račun stavbe/stavba dvigalom/dvigalo",
    "sr": "прозори/prozor рачуни/račun зграде/зграда",
    "sv": "fönstren/fönster fakturor/faktura byggnaderna/byggnad cyklar/cykel källarfönster/fönster",
    "ta": "ஜன்னல்கள்/ஜன்னல் கட்டிடங்கள்/கட்டிடம்",
    "th": "หน้าต่างบานใหญ่/หน้าต่าง",
    "tr": "pencereler/pencere faturalar/fatura binada/bina asansörün/asansör",
    "uk": "вікна/вікно рахунки/рахунок будівлі/будівля ліфтом/ліфт",
    "vi": "sổ/so",
    "zh": "發票/发票 電梯維修/电梯",
}  # fmt: skip
ALL = [(language, *pair.split("/")) for language, pairs in FORMS.items() for pair in pairs.split()]
# The stems differ by more than an ending: by a prefix, a vowel that comes and goes, or a stemmer that takes too much.
NOT_FOUND = {
    ("bg", "вратата"), ("bn", "জানালাগুলি"), ("de", "Kellerfenster"), ("et", "aknad"), ("eu", "fakturak"), ("fi", "ikkunat"), ("ga", "sonraisc"), ("he", "המעלית"),
    ("he", "הבניין"), ("hu", "ablakok"), ("nl", "kelderramen"), ("pl", "budynki"), ("ro", "ferestre"), ("ta", "ஜன்னல்கள்"), ("ta", "கட்டிடங்கள்"), ("uk", "рахунки"),
}  # fmt: skip


def is_found(language: str, text: str, asked: str) -> bool:
    stored = {term.text for term in terms(text, language)}
    wanted = {term.text for term in terms(asked, language)}
    return bool(stored & wanted) or any(are_related(one, other) for one in wanted for other in stored)


@pytest.mark.parametrize(("language", "text", "asked"), ALL)
def test_a_form_is_found_by_another(language: str, text: str, asked: str) -> None:
    assert is_found(language, text, asked) is ((language, text) not in NOT_FOUND)


def test_132_of_148_forms_are_found() -> None:
    assert (len(ALL), sum(is_found(*each) for each in ALL)) == (148, 132)
