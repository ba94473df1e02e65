"""Recognises small talk: greetings and thanks, which need no search of the documents."""

import re

_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 8

# Small talk has at least one of these words, ...
_SAID = (
    "hello hi hey greetings thanks thank thx cheers bye goodbye welcome "
    "hallo moin servus danke dank dankeschön tschüss grüezi "
    "bonjour bonsoir salut merci hola gracias adiós ciao buongiorno buonasera grazie arrivederci "
    "olá oi obrigado obrigada goedemorgen goedemiddag goedenavond bedankt "
    "привет здравствуйте спасибо 你好 您好 谢谢 谢谢你 谢谢您 謝謝 再见 こんにちは ありがとう ありがとうございます"
)
_GREETINGS = {
    *("good morning", "good afternoon", "good evening", "good day", "good night"),
    *("guten morgen", "guten tag", "guten abend", "gute nacht", "au revoir", "auf wiedersehen"),
    *("buenos días", "buenas tardes", "buenas noches", "bom dia", "boa tarde", "boa noite", "добрый день"),
}
# ... and otherwise only these.
_FILLERS = (
    "you very much so a lot many for the your help that this was is it all again there everyone ok okay great "
    "perfect nice and to have day evening too "
    "schön sehr vielen für die hilfe ihnen dir und auch "
    "beaucoup pour votre ton aide muchas muy por la tu su ayuda mille molte muito pela ajuda wel je u большое"
)
_CORE = frozenset(_SAID.split())
_ALL = _CORE | frozenset(_FILLERS.split())


def is_small_talk(text: str) -> bool:
    words = _WORD.findall(text.casefold())
    if not 0 < len(words) <= _MAX_WORDS:
        return False
    said = " ".join(words)
    for greeting in _GREETINGS:
        said = re.sub(rf"\b{greeting}\b", "hello", said)
    left = set(said.split())
    return bool(left & _CORE) and left <= _ALL
