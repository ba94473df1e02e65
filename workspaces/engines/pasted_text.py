"""Pasted texts as questions: mails, tickets, whole paragraphs.

Their greeting, their signature and the marks of a quoted mail say nothing about the subject, so searches leave
them out.
"""

import regex

_MAX_TYPED_WORDS = 40  # a longer question was pasted
_GREETING = (
    "hello hi hey dear good\\s+(?:morning|afternoon|day|evening) hallo guten\\s+(?:tag|morgen|abend) liebe[r]? "
    "sehr\\s+geehrte[r]? bonjour bonsoir ch[eè]re?s? madame monsieur hola estimad[oa]s? buen[oa]s\\s+\\w+ buongiorno "
    "gentil[ei] caro cara ol[aá] prezad[oa]s? car[oa] beste geachte hej hei kære dzień\\s+dobry szanown[aiy] dobr[ýy]\\s+den "
    "vážen[ýáíi] tisztelt kedves merhaba sayın stimate? bun[ăa]\\s+ziua здравствуйте уважаем\\w+ добрый\\s+\\w+ шановн\\w+ "
    "αγαπητ\\w+ 您好 你好 尊敬的 お世話になって 안녕하세요 xin\\s+chào kính\\s+gửi السلام\\s+عليكم مرحبا שלום yth"
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
_OPENS = regex.compile(
    rf"\s*(?:{'|'.join(_GREETING.split())})\b[^\n,.!:;，！。]{{0,60}}[\n,.!:;，！。]\s*", regex.IGNORECASE
)
_CLOSES = regex.compile(
    rf"(?:(?<=[.!?。！？]\s)|(?<=\n))[ \t]*(?:{'|'.join(_CLOSING.split())})(?:[\s,.!\-]+\S+){{0,25}}\s*\Z",
    regex.IGNORECASE,
)
_SIGNATURE = regex.compile(r"\n-- ?\n.*\Z|\nSent from my .*\Z", regex.DOTALL)
_QUOTE_MARK = regex.compile(r"^(?:>[> ]*)+", regex.MULTILINE)
_HEADER = regex.compile(
    r"^(?:From|To|Cc|Date|Sent|Von|An|Gesendet|Datum|De|À|Envoyé|Para|Enviado|Da|A|Inviato|От|Кому|Дата):.*\n?",
    regex.MULTILINE,
)
_MIN_LEFT = 3  # words without which nothing is asked


def is_pasted(text: str) -> bool:
    """Tell whether a question looks pasted, not typed: it has several lines, or is long."""
    return "\n" in text.strip() or len(text.split()) > _MAX_TYPED_WORDS


def without_courtesies(text: str) -> str:
    """Return the text without the greeting and the signature of a mail; all of it, if nothing else is said."""
    body = _SIGNATURE.sub("", text)
    if "\n" in text:
        body = _HEADER.sub("", _QUOTE_MARK.sub("", body))
    body = _CLOSES.sub("", _OPENS.sub("", body, count=1) if _OPENS.match(body) else body).strip()
    return body if len(body.split()) >= _MIN_LEFT else text
