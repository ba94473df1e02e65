"""Requests a short text from a chat model: a summary, a rewritten search query."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from core.text import storable
from inference.connect import open_chat
from inference.errors import InferenceError
from inference.tokens import estimate_tokens
from inference.types import ChatMessage, ChatRequest, TextDelta, Thinking, Usage

from .errors import EndpointError
from .models import Endpoint


@dataclass(slots=True)
class Completion:
    """One call. Its usage can be read even after it failed or was cancelled."""

    endpoint: Endpoint
    messages: Sequence[ChatMessage]
    max_tokens: int
    text: str = ""  # the text received so far
    _counted: Usage | None = field(default=None, repr=False)
    _has_failed: bool = False

    async def run(self) -> str:
        """Return the text, or "" if the model wrote nothing. Raises InferenceError, EndpointError."""
        try:
            await self._read()
        except (InferenceError, EndpointError):
            self._has_failed = True
            raise
        return storable(self.text).strip()

    async def _read(self) -> None:
        request = ChatRequest(tuple(self.messages), max_tokens=self.max_tokens, temperature=0)
        async with open_chat(self.endpoint.spec()) as model, aclosing(model.stream(request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        self.text += text
                    case Thinking(takes_back=True):
                        self.text = ""
                    case Usage():
                        self._counted = event

    def usage(self) -> Usage:
        """Return the tokens that the model's server counted, or else an estimate, which takes milliseconds.

        A call that failed before the first word used no tokens; a cancelled call has read its prompt.
        """
        if self._has_failed and not self.text:
            return self._counted or Usage(0, 0)
        read = sum(estimate_tokens(message.text) for message in self.messages)
        return self._counted or Usage(read, estimate_tokens(self.text), is_estimate=True)
