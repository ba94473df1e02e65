"""How long a prompt is for a model, and how much room it leaves."""

import logging
from collections.abc import Sequence
from math import ceil

from inference.connect import open_server
from inference.errors import InferenceError
from inference.types import ChatMessage
from models_registry.errors import SecretMissing
from models_registry.models import Endpoint

from .history import tokens_of

logger = logging.getLogger(__name__)

NEAR_LIMIT = 0.7  # of the context: from there on it is worth asking the model's server
_MIN_CORRECTION, _MAX_CORRECTION = 0.2, 5.0  # counts outside are no counts of this prompt


class TokenBudget:
    """Measures the prompts of one answer.

    It estimates, which costs nothing. For the first prompt that comes near the limit it asks the server's own
    tokenizer, where there is one, and corrects all estimates from then on by what that says.
    """

    def __init__(self, endpoint: Endpoint, answer_tokens: int) -> None:
        self._endpoint = endpoint
        self._most = endpoint.context_limit - answer_tokens
        self._near = NEAR_LIMIT * endpoint.context_limit - answer_tokens
        self._correction: float | None = None  # not asked yet

    async def length(self, prompt: Sequence[ChatMessage]) -> int:
        """Return the prompt's tokens."""
        estimate = tokens_of(prompt)
        if self._correction is None and estimate > self._near:
            self._correction = await self._count_on_server(prompt) / estimate
        return ceil(estimate * (self._correction or 1))

    def room(self, length: int) -> int:
        """Return how many tokens are left beside a prompt and the longest answer that was asked for."""
        return self._most - length

    def estimates(self, room: int) -> int:
        """Return how many tokens, as `tokens_of` estimates them, fit into a room."""
        return int(room / (self._correction or 1))

    async def _count_on_server(self, prompt: Sequence[ChatMessage]) -> float:
        """Return the tokens as the server counts them, or as they are estimated where it does not."""
        estimate = tokens_of(prompt)
        try:
            async with open_server(self._endpoint.spec()) as server:
                counted = await server.count(prompt)
        except (InferenceError, SecretMissing) as error:
            logger.info("Endpoint %s does not count tokens: %s", self._endpoint.pk, error)
            return estimate
        return min(max(counted, estimate * _MIN_CORRECTION), estimate * _MAX_CORRECTION)
