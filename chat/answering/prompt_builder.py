"""Builds the prompt of an answer so that it fits the model's context window.

Passages have priority: the best ones go in until no more fit. The history gets the tokens that are left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chat.errors import PromptTooLong
from chat.log.events import SourcePassage
from inference.types import ChatMessage, Quotable

from . import prompts
from .answer_request import AnswerRequest
from .history import messages_within, tokens_of
from .token_budget import TokenBudget

MAX_PASSAGE_TOKENS = 1_800
MIN_PASSAGE_TOKENS = 200  # with less room than this, a search is not worth it


@dataclass(frozen=True, slots=True)
class Prompt:
    messages: tuple[ChatMessage, ...]
    tokens: int
    left_out: int  # how many exchanges of the history did not fit


class PromptBuilder:
    """Builds the prompts of one answer.

    Each method raises PromptTooLong if even the shortest prompt does not fit.
    """

    def __init__(self, request: AnswerRequest) -> None:
        self._request = request
        self._budget = TokenBudget(request.endpoint, request.parameters.max_tokens)

    async def passage_budget(self) -> int:
        """Return the token budget of all passages together, in estimated tokens."""
        room = await self._room(_grounded(self._request, ()))
        if room < MIN_PASSAGE_TOKENS:
            raise _too_long(self._request, MIN_PASSAGE_TOKENS - room)
        return min(MAX_PASSAGE_TOKENS, self._budget.estimates(room))

    async def fit_passages(self, passages: Sequence[SourcePassage]) -> Sequence[SourcePassage]:
        """Return the best passages that fit, counting their titles and fences too."""
        room = 0
        for count in range(len(passages), 0, -1):
            room = await self._room(_grounded(self._request, passages[:count]))
            if room >= 0:
                return passages[:count]
        if passages:
            raise _too_long(self._request, -room)
        return ()

    async def build(self, passages: Sequence[SourcePassage]) -> Prompt:
        """Return the prompt with the passages and as much of the conversation as fits."""
        summary, history = _conversation(self._request)
        messages = _messages(self._request, passages, (*summary, *history))
        length = await self._budget.length(messages)
        if self._budget.room(length) < 0:
            summary, history = await self._shorten(passages, summary)
            messages = _messages(self._request, passages, (*summary, *history))
            length = await self._budget.length(messages)
        answered = sum(1 for each in self._request.history if each.answer)
        return Prompt(messages, length, answered - len(history) // 2)

    async def _shorten(
        self, passages: Sequence[SourcePassage], summary: Sequence[ChatMessage]
    ) -> tuple[Sequence[ChatMessage], Sequence[ChatMessage]]:
        """Return the summary, if it fits, and the latest exchanges that fit with it."""
        room = await self._room(_messages(self._request, passages))
        if room < 0:
            raise _too_long(self._request, -room)
        room = self._budget.estimates(room)
        summary = summary if tokens_of(summary) <= room else ()
        return summary, messages_within(self._request.history, room - tokens_of(summary))

    async def _room(self, messages: Sequence[ChatMessage]) -> int:
        return self._budget.room(await self._budget.length(messages))


def estimate_tokens_of(request: AnswerRequest, passages: Sequence[SourcePassage]) -> int:
    """Return the estimated tokens of the prompt with these passages and the whole conversation window."""
    summary, history = _conversation(request)
    return tokens_of(_messages(request, passages, (*summary, *history)))


def _conversation(request: AnswerRequest) -> tuple[Sequence[ChatMessage], Sequence[ChatMessage]]:
    """Return the summary and the last exchanges, up to the limit for all prompts."""
    summary = prompts.earlier(request.summary) if request.summary else ()
    return summary, messages_within(request.history)


def _messages(
    request: AnswerRequest, passages: Sequence[SourcePassage], history: Sequence[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    if passages:
        return _grounded(request, passages, history)
    return _complete(request, prompts.plain(request.text, history))


def _grounded(
    request: AnswerRequest, passages: Sequence[SourcePassage], history: Sequence[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    return _complete(request, prompts.grounded(request.text, [quotable(each) for each in passages], history))


def _complete(request: AnswerRequest, messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Append the client's instructions to our system message, and the beginning of the answer if there is one.

    Some models accept only one system message, at the start.
    """
    first, *rest = messages
    if request.instructions:
        first = ChatMessage(first.role, f"{first.text}\n\n{request.instructions}")
    if request.beginning:
        rest.append(ChatMessage("assistant", request.beginning.text.rstrip()))
    return (first, *rest)


def quotable(passage: SourcePassage) -> Quotable:
    """Return the passage as the prompt shows it."""
    place = " › ".join([passage["title"], *passage["title_path"]])
    title = f"{place}, page {passage['page']}" if passage["page"] else place
    return Quotable(passage["number"], title, passage["text"])


def _too_long(request: AnswerRequest, by_tokens: int) -> PromptTooLong:
    """Return the error that says what to shorten, and by how much."""
    limit, longest = request.endpoint.context_limit, request.parameters.max_tokens
    if request.beginning:
        return PromptTooLong(
            f"The answer is too long to go on: the context of {request.endpoint.name} holds {limit:,} tokens, the "
            "question, the passages and the answer together. Ask a new question about what is missing."
        )
    is_brief = tokens_of([ChatMessage("user", request.text)]) < by_tokens
    shorten = "instructions" if is_brief and request.instructions else "question"
    remedies = f"shorten the {shorten}, allow a shorter answer, or choose a model with a larger context."
    return PromptTooLong(
        f"This question does not fit {request.endpoint.name}: its context of {limit:,} tokens also holds the "
        f"passages and an answer of up to {longest:,}. It is about {by_tokens:,} tokens too long: {remedies}"
    )
