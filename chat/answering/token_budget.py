"""Token counting: how long a prompt is for a model, and how many tokens of its context are left."""

import logging
from collections.abc import Sequence
from math import ceil

from inference.connect import open_server
from inference.errors import InferenceError
from inference.types import ChatMessage
from models_registry.errors import EndpointError
from models_registry.models import Endpoint

from .history import tokens_of

logger = logging.getLogger(__name__)

NEAR_LIMIT = 0.7  # share of the context above which a request to the server's tokenizer is worth its cost
# Limits for the server's count relative to the estimate. A count outside cannot be right for this prompt.
_MIN_CORRECTION, _MAX_CORRECTION = 0.2, 5.0


class TokenBudget:
    """Counts the tokens of the prompts of one answer.

    It estimates, which costs nothing. For the first prompt near the limit it calls the tokenizer of the
    model's server, if there is one, and from then on scales all estimates by the ratio of that count to the
    estimate.
    """

    def __init__(self, endpoint: Endpoint, answer_tokens: int) -> None:
        self._endpoint = endpoint
        self._most = endpoint.context_limit - answer_tokens
        self._near = NEAR_LIMIT * endpoint.context_limit - answer_tokens
        self._correction: float | None = None  # None: the server has not counted yet

    async def length(self, prompt: Sequence[ChatMessage]) -> int:
        """Return how many tokens the prompt has."""
        estimate = tokens_of(prompt)
        if self._correction is None and estimate > self._near:
            self._correction = await self._count_on_server(prompt) / estimate
        return ceil(estimate * (self._correction or 1))

    def room(self, length: int) -> int:
        """Return how many tokens of the context remain after such a prompt and the longest allowed answer."""
        return self._most - length

    def estimates(self, room: int) -> int:
        """Return how many tokens, as `tokens_of` estimates them, fit into this much room."""
        return int(room / (self._correction or 1))

    async def _count_on_server(self, prompt: Sequence[ChatMessage]) -> float:
        """Return the server's token count, or the estimate if the server does not count."""
        estimate = tokens_of(prompt)
        try:
            async with open_server(self._endpoint.spec()) as server:
                counted = await server.count(prompt)
        except (InferenceError, EndpointError) as error:
            logger.info("Endpoint %s does not count tokens: %s", self._endpoint.pk, error)
            return estimate
        return min(max(counted, estimate * _MIN_CORRECTION), estimate * _MAX_CORRECTION)
