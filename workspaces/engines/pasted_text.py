"""Pasted texts as questions: mails, tickets, whole paragraphs.

Their greeting, their signature and the head of a quoted mail say nothing about the subject, so searches leave them
out: only whole lines that are nothing else, because the same words may begin a question (`Hello Kitty licence`).
"""

import regex

_MAX_TYPED_WORDS = 40  # a longer question was pasted
_GREETING = (
    "hello hi hey dear good\\s+(?:morning|afternoon|day|evening) hallo guten\\s+(?:tag|morgen|abend) liebe[r]? "
    "sehr\\s+geehrte[r]? bonjour bonsoir ch[eè]re?s? madame monsieur hola estimad[oa]s? buen[oa]s\\s+\\w+ buongiorno "
    "gentil[ei] caro cara ol[aá] prezad[oa]s? car[oa] beste geachte hej hei kære dzień\\s+dobry szanown[aiy] dobr[ýy]\\s+den "
    "vážen[ýáíi] tisztelt kedves merhaba sayın stimate? bun[ăa]\\s+ziua здравствуйте уважаем\\w+ добрый\\s+\\w+ шановн\\w+ "
    "αγαπητ\\w+ 您好 你好 尊敬的\\w* お世話になって(?:おり|い)ます 안녕하세요 xin\\s+chào kính\\s+gửi السلام\\s+عليكم مرحبا שלום yth"
)
_CLOSING = (
    "best\\s+(?:wishes|regards) kind(?:est)?\\s+regards warm\\s+regards regards sincerely yours\\s+\\w+ cheers "
    "(?:many\\s+)?thanks(?:\\s+(?:a\\s+lot|in\\s+advance|and)\\b)? thank\\s+you(?:\\s+(?:in\\s+advance|and|very\\s+much)\\b)? "
    "mit\\s+(?:freundlichen|besten|vielen)\\s+grüßen (?:viele|beste|freundliche|liebe|schöne)\\s+grüße vielen\\s+dank mfg "
    "cordialement bien\\s+à\\s+vous (?:meilleures|sincères)\\s+salutations merci\\s+(?:d'avance|beaucoup) "
    "(?:un\\s+)?saludos? (?:muchas\\s+)?gracias atentamente cordiali\\s+saluti distinti\\s+saluti grazie "
    "atenciosamente (?:muito\\s+)?obrigad[oa] cumprimentos met\\s+vriendelijke\\s+groet(?:en)? "
    "(?:med\\s+)?(?:vänlig(?:a)?|venlig|vennlig|bedste|beste)\\s+h[ia]lsning(?:ar|er)?(?:en)? z\\s+poważaniem pozdrawiam "
    "s\\s+pozdravem üdvözlettel saygılarımla cu\\s+stimă с\\s+уважением з\\s+повагою με\\s+εκτίμηση 此致 よろしくお願い "
    "감사합니다 trân\\s+trọng مع\\s+التحية בברכה"
)
_WORD = r"[ \t]+[\p{L}\p{M}.'’-]+"
_NAME = rf"(?:(?:{_WORD}){{0,4}}(?=[ \t]+\P{{Ll}}){_WORD}|{_WORD})"  # the last of several words has no small letter first
_OPENS = regex.compile(
    rf"\s*(?i:{'|'.join(_GREETING.split())})(?![\w-])(?:\.?{_NAME}[ \t]*[,!，！：]|[ \t]*[,.!:，。！：]*)[ \t]*\n"
)
# What follows a closing is a signature if it has a few short lines, and no question.
_CLOSES = regex.compile(
    rf"^[ \t]*(?:{'|'.join(_CLOSING.split())})(?![\w-])(?:[,.!]+(?:{_WORD}){{0,4}})?[ \t]*+[,.!，。！]*+[ \t]*+"
    r"(?:\n[ \t]*+(?:[^\s?？؟]++(?:[ \t]++[^\s?？؟]++){0,4}+[ \t]*+)?){0,5}\s*\Z",
    regex.IGNORECASE | regex.MULTILINE,
)
_SIGNATURE = regex.compile(r"\n-- ?\n[\s\S]*\Z|^Sent from my [^\n:,?]{1,40}$", regex.MULTILINE)  # RFC 3676
_QUOTE_MARK = regex.compile(r"^(?:>[> ]*)+", regex.MULTILINE)
_HEAD = regex.compile(
    r"(?:^(?:From|To|Cc|Date|Sent|Subject|Von|An|Gesendet|Datum|Betreff|De|À|Envoyé|Objet|Para|Enviado|Asunto|Assunto|Da|A"
    r"|Inviato|Oggetto|От|Кому|Дата|Тема):.*(?:\n|\Z)){2,}",
    regex.MULTILINE,
)
_ADDRESS = regex.compile(r"\S@\S")  # without one, "From: Rome / To: Oslo" is no head of a mail
_SUBJECT = regex.compile(r"^(?:Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Тема):", regex.MULTILINE)
_MIN_LEFT = 3  # words without which nothing is asked


def is_pasted(text: str) -> bool:
    """Tell whether a question looks pasted, not typed: it has several lines, or is long."""
    return "\n" in text.strip() or len(text.split()) > _MAX_TYPED_WORDS


def without_courtesies(text: str) -> str:
    """Return a text of several lines without greeting and signature; all of it, if nothing else is said."""
    if "\n" not in text.strip():
        return text
    body = _HEAD.sub(_subject, _QUOTE_MARK.sub("", _SIGNATURE.sub("", text)))
    body = _CLOSES.sub("", body[opening.end() :] if (opening := _OPENS.match(body)) else body).strip()
    return body if len(body.split()) >= _MIN_LEFT else text


def _subject(head: "regex.Match[str]") -> str:
    """Return the subject of a mail from its head; all of it, if it is the head of no mail."""
    if not _ADDRESS.search(head[0]):
        return head[0]
    return "".join(line for line in head[0].splitlines(keepends=True) if _SUBJECT.match(line))
