"""Extractive answers: cited sentences of the passages, word for word. No model, no cost, no hallucination."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from inference.options import Options
from inference.quoting import Quote, best_quotes
from inference.types import ChatEvent, ChatRequest, EndpointSpec, Finished, TextDelta, Usage

if TYPE_CHECKING:
    from inference.http import Http

NO_PASSAGES = (
    "I answer only with sentences from your documents, and I was given none for this question: choose a "
    "workspace whose documents cover it, or another model."
)
NO_ANSWER = "None of the passages found for this question answers it."
_PAUSE_S = 0.004  # between words, so that the other answers of this process make progress


class QuotesOptions(Options):
    """This provider has no options."""


class Quotes:
    def __init__(self, spec: EndpointSpec, options: QuotesOptions, http: "Http") -> None:
        pass  # needs neither a secret nor a connection

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        # In a thread: stemming six passages takes about 20 ms, during which no other answer would make
        # progress.
        text = await asyncio.to_thread(answer, request)
        for piece in re.findall(r"\S+\s*", text) if request.streaming else [text]:
            yield TextDelta(piece)
            await asyncio.sleep(_PAUSE_S)
        yield Usage(0, 0)
        yield Finished("stop")


def answer(request: ChatRequest) -> str:
    """Return the answer as Markdown: one quote as a sentence, several as a list, each with its [number]."""
    if not request.passages:
        return NO_PASSAGES
    quotes = [_cite(quote) for quote in best_quotes(request.question, request.passages)]
    if len(quotes) > 1:
        return "\n".join(f"- {quote}" for quote in quotes)
    return quotes[0] if quotes else NO_ANSWER


def _cite(quote: Quote) -> str:
    if quote.kind == "code":
        code = f"`` {quote.text} ``" if "`" in quote.text else f"`{quote.text}`"
        return f"{code} [{quote.number}]"
    # A chunk may begin in the middle of a sentence.
    is_cut = quote.position == 0 and quote.text[:1].islower()
    return f"{'… ' if is_cut else ''}{quote.text} [{quote.number}]"
