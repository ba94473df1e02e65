"""Extractive answers: cited sentences of the passages, word for word. No model, no cost, no hallucination."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from inference.citations import escape_citations
from inference.language.names import name_of
from inference.language.small_talk import is_small_talk
from inference.options import Options
from inference.quoting import Quote, best_quotes, other_language
from inference.sentences import without_targets
from inference.types import ChatEvent, ChatRequest, EndpointSpec, Finished, TextDelta, Usage

if TYPE_CHECKING:
    from inference.http import Http

NO_PASSAGES = (
    "I answer only with sentences from your documents, and I was given none for this question: choose a "
    "workspace whose documents cover it, or another model."
)
GREETING = "Hello! Ask me a question, and I answer it with sentences from your documents."
NO_ANSWER = "None of the passages found for this question answers it."
_OTHER_LANGUAGE = (
    "The question is in {}, the passages are in {}: ask in their language, because I compare words."
)
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
        return GREETING if is_small_talk(request.question) else NO_PASSAGES
    quotes = best_quotes(request.question, request.passages)
    if not quotes:
        return _refuse(request)
    if len(quotes) == 1 or any("\n" in quote.text or quote.code for quote in quotes):
        return "\n\n".join(map(_cite, quotes))
    return "\n".join(f"- {_cite(quote)}" for quote in quotes)


def _refuse(request: ChatRequest) -> str:
    if different := other_language(request.question, request.passages):
        return f"{NO_ANSWER} {_OTHER_LANGUAGE.format(*map(name_of, different))}"
    return NO_ANSWER


def _cite(quote: Quote) -> str:
    if quote.kind == "code":
        return f"{_as_code(quote.text)} [{quote.number}]"
    text = _label_cells(quote) if quote.kind == "row" else quote.text
    # A chunk may begin in the middle of a sentence.
    is_cut = quote.position == 0 and quote.text[:1].islower() and quote.kind == "sentence"
    code = f"\n\n{_as_code(quote.code)}" if quote.code else ""
    return f"{'… ' if is_cut else ''}{escape_citations(without_targets(text))}{code} [{quote.number}]"


def _as_code(text: str) -> str:
    if "\n" in text:
        fence = "~~~" if "```" in text else "```"
        return f"{fence}\n{text}\n{fence}\n\n"
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _label_cells(row: Quote) -> str:
    """Return a row with the heading of each column, if the table has a first row of headings."""
    heads, cells = row.heading.split(" | "), row.text.split(" | ")
    if len(heads) != len(cells) or len(cells) == 1:
        return row.text
    return " | ".join(f"{head}: {cell}" if head else cell for head, cell in zip(heads, cells, strict=True))
