"""`python -m inference.serving [serve] [--host HOST] [--port PORT]`; SageMaker passes `serve`."""

import argparse
import logging
import sys
import time

from aiohttp import web

from .app import Container
from .config import BadConfig, Config
from .models import CrossEncoderModel, EmbeddingModel, prepare

SHUTDOWN_S = 30  # graceful shutdown: time to finish running requests


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        config = Config.from_environment()
    except BadConfig as error:
        sys.exit(str(error))
    arguments = _arguments(config)
    web.run_app(
        _load(config).app(),
        host=arguments.host,
        port=arguments.port,
        shutdown_timeout=SHUTDOWN_S,
        handler_cancellation=True,
        access_log=None,
        print=lambda line: None,
    )


def _arguments(config: Config) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="inference.serving", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve"], default="serve")
    parser.add_argument("--host", default=config.host)
    parser.add_argument("--port", type=int, default=config.port)
    return parser.parse_args()


def _load(config: Config) -> Container:
    """Load and warm up the models.

    The port opens afterwards, so an answered ping means that the models work.
    """
    began = time.monotonic()
    prepare(config.threads)
    embedding = EmbeddingModel(config.embedding_model) if config.embedding_model else None
    cross_encoder = CrossEncoderModel(config.cross_encoder) if config.cross_encoder else None
    if embedding:
        embedding.embed_queries(["ready?"])
    if cross_encoder:
        cross_encoder.score([("ready?", "ready.")])
    names = " and ".join(model.name for model in (embedding, cross_encoder) if model)
    logging.info("Serving %s, loaded in %.1f s.", names, time.monotonic() - began)
    return Container(embedding, cross_encoder)


if __name__ == "__main__":
    main()
