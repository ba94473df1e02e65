"""A few sentences on a whole document, by a language model. What it writes is as untrusted as the document."""

import re
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from core.text import storable
from documents.parsing.types import ExtractedSection
from inference.connect import open_chat
from inference.types import ChatMessage, ChatRequest, EndpointSpec, TextDelta

MAX_TOKENS = 250
_MAX_CHARACTERS = 2000  # of a summary, whatever the model was told
_CHARACTERS_PER_TOKEN = 3  # rather few, so that it fits
_INSTRUCTION = (Path(__file__).parent / "document_summary.md").read_text().strip()
_FENCE = re.compile(r"<(?=\s*/?\s*document)", re.IGNORECASE)


async def summarise(spec: EndpointSpec, context_tokens: int, sections: Sequence[ExtractedSection]) -> str:
    """Return the summary as plain text, "" if the model said nothing. Raises InferenceError.

    context_tokens: of the model. What does not fit is left out from the end.
    """
    room = max(1000, (context_tokens - 2 * MAX_TOKENS) * _CHARACTERS_PER_TOKEN)
    text = _FENCE.sub("‹", "\n\n".join(section.text for section in sections)[:room])
    messages = (ChatMessage("system", _INSTRUCTION), ChatMessage("user", f"<document>\n{text}\n</document>"))
    request = ChatRequest(messages, max_tokens=MAX_TOKENS, temperature=0)
    said: list[str] = []
    async with open_chat(spec) as model, aclosing(model.stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                said.append(event.text)
    return storable("".join(said)).strip()[:_MAX_CHARACTERS]
