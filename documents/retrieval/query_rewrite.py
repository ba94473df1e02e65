"""Has a language model make one question of a follow-up and what was asked before it.

That takes as long as a model takes. So it runs beside the search for the question as it was asked, and only what
comes in time is used: nobody waits longer for it than LIMIT_S, counted from the start of the search.
"""

import re
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from core.text import one_line
from inference.connect import open_chat
from inference.tokens import estimate_tokens
from inference.types import ChatMessage, ChatRequest, TextDelta, Usage
from models_registry.models import Endpoint

LIMIT_S = 1.0
EARLIER = 3  # questions that the model reads
_MAX_TOKENS = 80
_MAX_CHARACTERS = 500
_INSTRUCTION = (Path(__file__).parent / "query_rewrite.md").read_text().strip()
_FENCE = re.compile(r"<(?=\s*/?\s*question)", re.IGNORECASE)


class QueryRewriter:
    """One call of a model: what it said, and what it took, also where it was cut short."""

    def __init__(self, endpoint: Endpoint, question: str, previous: Sequence[str]) -> None:
        asked = [
            f"<question>\n{_FENCE.sub('‹', each)}\n</question>" for each in (*previous[-EARLIER:], question)
        ]
        self.endpoint = endpoint
        self._prompt = (ChatMessage("system", _INSTRUCTION), ChatMessage("user", "\n".join(asked)))
        self._said = ""
        self._counted: Usage | None = None

    async def question(self) -> str:
        """Return the question, "" if the model said nothing. Raises InferenceError, SecretMissing."""
        request = ChatRequest(self._prompt, max_tokens=_MAX_TOKENS, temperature=0)
        async with open_chat(self.endpoint.spec()) as model, aclosing(model.stream(request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        self._said += text
                    case Usage():
                        self._counted = event
        return one_line(self._said)[:_MAX_CHARACTERS]

    def took(self) -> Usage:
        """Return the tokens: as the model's server counted them, or estimated."""
        read = sum(estimate_tokens(message.text) for message in self._prompt)
        return self._counted or Usage(read, estimate_tokens(self._said), is_estimate=True)
