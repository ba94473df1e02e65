from collections.abc import Sequence

from .types import Retrieval, Scope


async def search(
    scope: Scope, question: str, *, previous: Sequence[str] = (), limit: int = 6, token_budget: int = 1800
) -> Retrieval:
    """Return the best passages for a question, ready to quote, with the trace of how they were found.

    previous: the user's earlier questions in this session, oldest first; the last one is searched along.
    limit: how many passages at most. token_budget: how long they may be together, in tokens (estimated).
    Raises RetrievalFailed when no leg could answer.
    """
    raise NotImplementedError
