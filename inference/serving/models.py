"""The sentence-transformers models. This is the only module of the project that imports torch."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers.utils.logging import disable_progress_bar

from inference.types import TextRole, Vector

# The E5 family was trained with prefixes, but the files of its older models do not mention them.
_E5 = re.compile(r"(^|[^a-z0-9])e5([^a-z0-9]|$)", re.IGNORECASE)
_E5_PREFIXES: dict[TextRole, str] = {"query": "query: ", "passage": "passage: "}
_PROMPT_NAMES: dict[TextRole, tuple[str, ...]] = {
    "query": ("query",),
    "passage": ("document", "passage", "corpus"),
}
_CHARACTERS_PER_TOKEN = 6  # more than any language needs, so nothing that a model would read is cut off


def prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    disable_progress_bar()  # type: ignore[no-untyped-call]


class EmbeddingModel:
    """Pooling, normalisation and maximum length come from the model's folder."""

    def __init__(self, folder: Path) -> None:
        self.name = _name(folder)
        self._model = SentenceTransformer(str(folder), local_files_only=True)
        self._model.eval()
        self._is_e5 = bool(_E5.search(f"{self.name} {_base(folder)}"))
        self._prompts = {role: self._prompt(role) for role in _PROMPT_NAMES}
        self._most_characters = _most_characters(self._model.max_seq_length)

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        return self._embed(texts, "query")

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        return self._embed(texts, "passage")

    def length(self, text: str) -> int:
        """Return how many characters of the text the model may read."""
        return min(len(text), self._most_characters)

    def _embed(self, texts: Sequence[str], role: TextRole) -> list[Vector]:
        # Both run under torch.inference_mode, and select the query or document branch of a router model.
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        vectors: list[Vector] = encode(
            [text[: self._most_characters] for text in texts],
            prompt=self._prompts[role],
            batch_size=len(texts),
            show_progress_bar=False,
        ).tolist()
        return vectors

    def _prompt(self, role: TextRole) -> str:
        said = (self._model.prompts.get(name) for name in _PROMPT_NAMES[role])
        has_prompts = any(self._model.prompts.values())
        return next(filter(None, said), "" if has_prompts or not self._is_e5 else _E5_PREFIXES[role])


class CrossEncoderModel:
    def __init__(self, folder: Path) -> None:
        self.name = _name(folder)
        self._model = CrossEncoder(str(folder), local_files_only=True)
        self._model.eval()
        self._most_characters = _most_characters(self._model.max_seq_length)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        cut = [tuple(text[: self._most_characters] for text in pair) for pair in pairs]
        scores: list[float] = self._model.predict(
            cut, batch_size=len(pairs), show_progress_bar=False
        ).tolist()
        return scores

    def length(self, pair: tuple[str, str]) -> int:
        return min(sum(map(len, pair)), self._most_characters)


def _name(folder: Path) -> str:
    """Return the folder's name, or its parent's name if it is "model" (/opt/ml/model, package/model)."""
    folder = folder.absolute()
    return folder.parent.name if folder.name == "model" else folder.name


def _base(folder: Path) -> str:
    """Return the name of the base model that this model was trained from."""
    config = folder / "config.json"
    return str(json.loads(config.read_text()).get("_name_or_path", "")) if config.exists() else ""


def _most_characters(tokens: int | None) -> int:
    return (tokens or 8192) * _CHARACTERS_PER_TOKEN
