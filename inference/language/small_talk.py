"""Recognises small talk: greetings and thanks, which need no search of the documents."""

import unicodedata

import regex

_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]+")
_MAX_WORDS = 8

# Small talk has at least one of these words, ...
_SAID = (
    "hello hi hey greetings thanks thank thx cheers bye goodbye welcome "
    "hallo moin servus danke dank dankeschön tschüss grüezi "
    "bonjour bonsoir salut merci hola gracias adiós ciao buongiorno buonasera grazie arrivederci "
    "olá oi obrigado obrigada goedemorgen goedemiddag goedenavond bedankt "
    "привет здравствуйте спасибо 你好 您好 谢谢 谢谢你 谢谢您 謝謝 再见 大家好 早上好 晚上好 "
    "こんにちは こんばんは おはよう おはようございます ありがとう ありがとうございます さようなら "
    "안녕 안녕하세요 안녕하십니까 감사합니다 고맙습니다 "
    "cześć czesc hej dziękuję dzięki ahoj děkuji díky ďakujem čau köszönöm szia sziasztok üdvözlöm "
    "merhaba selam teşekkürler sağol salam bună mulțumesc mersi moi terve kiitos hei hejsan tack tak takk halló "
    "tere aitäh labas ačiū sveiki paldies zdravo bok hvala živjo здраво хвала привіт вітаю дякую прывітанне дзякуй "
    "здравейте здрасти благодаря γεια γειά ευχαριστώ καλημέρα καλησπέρα გამარჯობა მადლობა բարև շնորհակալություն "
    "שלום תודה היי مرحبا أهلا اهلا شكرا السلام سلام ممنون متشکرم شکریہ नमस्ते नमस्कार धन्यवाद হ্যালো নমস্কার ধন্যবাদ "
    "வணக்கம் நன்றி నమస్కారం ధన్యవాదాలు ನಮಸ್ಕಾರ ಧನ್ಯವಾದಗಳು നമസ്കാരം നന്ദി નમસ્તે આભાર ਧੰਨਵਾਦ ආයුබෝවන් ස්තූතියි "
    "สวัสดี สวัสดีครับ สวัสดีค่ะ ขอบคุณ ขอบคุณครับ ขอบคุณค่ะ ສະບາຍດີ ຂອບໃຈ မင်္ဂလာပါ သွားပါပြီ សួស្តី អរគុណ сәлем рахмет salom rahmat "
    "halo hai jambo habari asante sawubona ngiyabonga sannu barka haigh slán kaixo "
    "eskerrik adéu gràcies ola grazas helo diolch saluton dankon mabuhay kumusta salamat dumela"
)
_GREETINGS = {
    *("good morning", "good afternoon", "good evening", "good day", "good night"),
    *("guten morgen", "guten tag", "guten abend", "gute nacht", "au revoir", "auf wiedersehen"),
    *("buenos días", "buenas tardes", "buenas noches", "bom dia", "boa tarde", "boa noite", "добрый день"),
    *(
        "доброе утро",
        "добрый вечер",
        "до свидания",
        "dzień dobry",
        "dobry wieczór",
        "do widzenia",
        "dobrý den",
    ),
    *("dobrý deň", "dobrý večer", "jó napot", "jó reggelt", "jó estét", "jó napot kívánok", "iyi günler"),
    *("iyi akşamlar", "günaydın", "teşekkür ederim", "bună ziua", "bună seara", "bună dimineața", "god dag"),
    *(
        "god morgen",
        "god morgon",
        "god kväll",
        "hyvää päivää",
        "hyvää huomenta",
        "tere päevast",
        "laba diena",
    ),
    *(
        "labdien",
        "dobar dan",
        "dober dan",
        "добар дан",
        "добрий день",
        "доброго дня",
        "добры дзень",
        "добър ден",
    ),
    *("bon dia", "bona tarda", "egun on", "dia duit", "صباح الخير", "مساء الخير", "السلام عليكم", "בוקר טוב"),
    *(
        "ערב טוב",
        "selamat pagi",
        "selamat siang",
        "selamat sore",
        "selamat malam",
        "terima kasih",
        "xin chào",
    ),
    *("cảm ơn", "صبح بخیر", "শুভ সকাল", "सुप्रभात", "ສະບາຍດີ", "magandang umaga", "buna ziua"),
}
# ... and otherwise only these.
_FILLERS = (
    "you very much so a lot many for the your help that this was is it all again there everyone ok okay great "
    "perfect nice and to have day evening too "
    "schön sehr vielen für die hilfe ihnen dir und auch "
    "beaucoup pour votre ton aide muchas muy por la tu su ayuda mille molte muito pela ajuda wel je u большое "
    "bardzo szanowni państwo wam ci moc vám krát szépen çok ederim size foarte mult så meget mange tusen mycket "
    "paljon дуже вам много πολύ σας רבה لך جزيلا عليكم ورحمة الله به شما جی بہت आपका बहुत ครับ ค่ะ sekali banyak nhiều sana"
)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


_CORE = frozenset(_fold(_SAID).split())
_ALL = _CORE | frozenset(_fold(_FILLERS).split())
_PHRASES = regex.compile(
    r"(?<!\w)(?:{})(?!\w)".format("|".join(sorted(map(_fold, _GREETINGS), key=len, reverse=True)))
)


def is_small_talk(text: str) -> bool:
    said = " ".join(_WORD.findall(_fold(text)))
    if not said or len(said.split()) > _MAX_WORDS:
        return False
    left = set(_PHRASES.sub("hello", said).split())
    return bool(left & _CORE) and left <= _ALL
