"""`python -m ragsite.embedded.llm` serves a local model with llama.cpp through OpenAI's HTTP API.

If the Hugging Face Hub has better weights, it downloads them in the background, and exits once no answer is
in progress; the supervisor restarts it with the new weights.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import xllamacpp

from ragsite import settings
from ragsite.errors import StartError

from . import model_choice
from .download import DownloadFailed, fetch
from .model_choice import Local, Weights


def main() -> None:
    try:
        model = model_choice.local(os.environ, settings.DATA_DIR)
    except StartError as error:
        sys.exit(f"ERROR {error}")
    server = xllamacpp.Server(_parameters(model))  # the server runs until this object is deleted
    _say(f"{model.name} is served at {server.listening_address}/v1")
    if _arrival_mark().exists():
        subprocess.run([sys.executable, "manage.py", "seed"], cwd=settings.BASE_DIR, check=True)
        _arrival_mark().unlink()
    if model.missing:
        threading.Thread(target=_improve, args=[model.missing, model.name], daemon=True).start()
    while True:
        signal.pause()


def _parameters(model: Local) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model.file)
    parameters.model_alias = {model.name}
    parameters.hostnames, parameters.port = ["127.0.0.1"], settings.LLM_PORT
    parameters.n_ctx = model_choice.CONTEXT_TOKENS
    parameters.n_parallel, parameters.kv_unified = 2, True  # two concurrent answers share one context
    parameters.cache_prompt, parameters.cache_ram_mib = True, 256
    parameters.use_jinja = True  # the chat template in the file
    parameters.ui = False
    parameters.endpoint_slots = True  # used by _is_answering
    # Without these, any page on the web could make the browser call this server.
    parameters.cors_origins, parameters.cors_origins_explicit = settings.SITE_URL, True
    return parameters


def _improve(weights: Weights, until_then: str) -> None:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    try:
        fetch(hub, weights, model_choice.weights_file(settings.DATA_DIR, weights), _Progress(weights))
    except DownloadFailed as error:
        _say(
            f"{weights.file_name} was not fetched: {error}. Staying with {until_then}. To use another model, "
            "set RAGSITE_LLM_GGUF or OPENAI_BASE_URL."
        )
        return
    _arrival_mark().touch()
    _say(f"{weights.file_name} is downloaded: restarting with it.")
    while _is_answering():
        time.sleep(0.5)
    os._exit(0)  # a thread cannot exit the process more gracefully, and nothing here needs it


def _arrival_mark() -> Path:
    """A file whose existence says: there are new weights that the registry does not know yet."""
    return settings.DATA_DIR / "models" / "arrived"


def _is_answering() -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{settings.LLM_PORT}/slots", timeout=5) as reply:
            return any(slot["is_processing"] for slot in json.load(reply))
    except OSError:
        return False


class _Progress:
    """Reports the progress of the download, at most every ten seconds."""

    def __init__(self, weights: Weights) -> None:
        self._name, self._next = weights.file_name, 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10
            _say(f"Fetching {self._name}: {done // 10**6} of {total // 10**6} MB")


def _say(text: str) -> None:
    print(f"» {text}", flush=True)


if __name__ == "__main__":
    main()
