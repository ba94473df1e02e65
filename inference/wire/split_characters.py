"""Joins characters that a server cut in two: halves of a surrogate pair, and bytes of a UTF-8 sequence.

Servers that send each token as soon as the model has made it cut emoji and rare characters, as these take
several tokens. https://www.rfc-editor.org/rfc/rfc8259#section-8.2
"""

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]+")  # bytes that are not UTF-8, as "surrogateescape" decodes them
_CUT = re.compile("(?:[\ud800-\udbff]|[\udc80-\udcff]{1,3})$")  # what the next piece may complete
_LONE = re.compile("[\ud800-\udfff]")


class CharacterJoiner:
    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return the text with whole characters only; the half of one at its end waits for the next piece."""
        if text.isascii() and not self._held:
            return text
        text = _BYTES.sub(_decode, _PAIR.sub(_pair, self._held + text))
        cut = _CUT.search(text)
        self._held = cut[0] if cut else ""
        return _LONE.sub("\ufffd", text[: cut.start()] if cut else text)

    def close(self) -> str:
        """Return what was never completed."""
        rest, self._held = self._held, ""
        return "\ufffd" if rest else ""


def _pair(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _decode(found: re.Match[str]) -> str:
    return found[0].encode(errors="surrogateescape").decode(errors="surrogateescape")
