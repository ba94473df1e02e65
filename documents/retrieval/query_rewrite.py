"""Query rewriting: a language model turns a follow-up and the questions before it into one search query.

A model may take long. So it runs in parallel with the search of the original question, and its query is used
only if it comes in time: no search waits longer for it than LIMIT_S, counted from the start of the search.
"""

from collections.abc import Sequence
from pathlib import Path

from core.text import one_line
from inference.types import ChatMessage
from inference.untrusted_text import fence
from models_registry.completion import Completion
from models_registry.models import Endpoint

LIMIT_S = 1.0
EARLIER = 3  # earlier questions that the model reads
_MAX_TOKENS = 80
_MAX_CHARACTERS = 500
_INSTRUCTION = (Path(__file__).parent / "query_rewrite.md").read_text().strip()


def open_query_rewrite(model: Endpoint, question: str, previous: Sequence[str]) -> Completion:
    """Return the call that rewrites the question; `read_query` reads what it returns."""
    asked = [fence("question", each) for each in (*previous[-EARLIER:], question)]
    prompt = (ChatMessage("system", _INSTRUCTION), ChatMessage("user", "\n".join(asked)))
    return Completion(model, prompt, _MAX_TOKENS)


def read_query(text: str) -> str:
    """Return the query on one line, or "" if the model returned none."""
    return one_line(text)[:_MAX_CHARACTERS]
