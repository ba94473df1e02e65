"""A loopback model container for tests that are not async: POST /invocations, in its own thread."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from inference.wire import embed_rerank
from tests.fakes.openai_server import embed

DIMENSIONS = 8


class _Handler(BaseHTTPRequestHandler):
    dimensions = DIMENSIONS
    scores: Sequence[float] = ()

    def do_POST(self) -> None:
        asked = embed_rerank.read_request(self.rfile.read(int(self.headers["Content-Length"])))
        if isinstance(asked, embed_rerank.EmbeddingsRequest):
            vectors = [embed(text, self.dimensions) for text in asked.input]
            reply = embed_rerank.embeddings_reply(vectors, "fake")
        else:
            words = set(asked.query.lower().split())
            scores = [float(len(words & set(text.lower().split()))) for text in asked.passages]
            scores = list(self.scores[: len(asked.passages)]) or scores
            reply = embed_rerank.scores_reply(scores, "fake")
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running_in_thread(dimensions: int = DIMENSIONS, scores: Sequence[float] = ()) -> Iterator[str]:
    """Yield the address of a container that embeds by words and scores by words in common, or with `scores`."""
    handler = type("_Handler", (_Handler,), {"dimensions": dimensions, "scores": scores})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
