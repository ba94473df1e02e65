"""Summarises a whole document in a few sentences with a language model.

Its output is as untrusted as the document.
"""

from collections.abc import Sequence
from pathlib import Path

from documents.parsing.types import ExtractedSection
from inference.types import ChatMessage
from inference.untrusted_text import fence
from models_registry.completion import Completion
from models_registry.models import Endpoint

MAX_TOKENS = 250
_MAX_CHARACTERS = 2000  # of a summary, in case the model ignores MAX_TOKENS
_CHARACTERS_PER_TOKEN = 3  # a low estimate, so that the text fits
_INSTRUCTION = (Path(__file__).parent / "document_summary.md").read_text().strip()


async def summarise(model: Endpoint, sections: Sequence[ExtractedSection]) -> str:
    """Return the summary as plain text, or "" if the model returns nothing.

    Raises InferenceError, EndpointError.

    The end of a document that does not fit the model's context is left out.
    """
    room = max(1000, (model.context_limit - 2 * MAX_TOKENS) * _CHARACTERS_PER_TOKEN)
    text = "\n\n".join(section.text for section in sections)[:room]
    prompt = (ChatMessage("system", _INSTRUCTION), ChatMessage("user", fence("document", text)))
    return (await Completion(model, prompt, MAX_TOKENS).run())[:_MAX_CHARACTERS]
