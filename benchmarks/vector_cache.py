"""A caching proxy of the model container: replays known vectors, and requests the others from the container.

    python -m benchmarks.vector_cache FILE --port PORT --serving-port PORT

It speaks the wire format of inference/wire/embed_rerank.py. The real container (inference.serving) starts at
the first text that FILE, an SQLite database, does not contain. So a repeated benchmark takes minutes, not
hours.
"""

import argparse
import asyncio
import sqlite3
import sys
from array import array
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
from aiohttp import web

from inference.types import TextRole, Vector
from inference.wire import embed_rerank

START_S = 120  # limit for the start of the real container


class VectorCache:
    def __init__(self, database: sqlite3.Connection, serving_port: int) -> None:
        self._database = database
        self._port = serving_port
        self._serving: Process | None = None
        self._one_start = asyncio.Lock()
        database.execute("CREATE TABLE IF NOT EXISTS vectors (role, text, vector, PRIMARY KEY (role, text))")

    async def invoke(self, request: web.Request) -> web.Response:
        asked = embed_rerank.read_request(await request.read())
        if not isinstance(asked, embed_rerank.EmbeddingsRequest):
            raise web.HTTPBadRequest(text="Only embeddings are cached.")
        known = {text: vector for text in asked.input if (vector := self._known(asked.role, text))}
        if missing := [text for text in dict.fromkeys(asked.input) if text not in known]:
            known |= zip(missing, await self._embed(missing, asked.role), strict=True)
        vectors = [known[text] for text in asked.input]
        return web.json_response(embed_rerank.embeddings_reply(vectors, "remembered"))

    def _known(self, role: TextRole, text: str) -> Vector | None:
        found = self._database.execute(
            "SELECT vector FROM vectors WHERE role = ? AND text = ?", (role, text)
        ).fetchone()
        return array("f", found[0]).tolist() if found else None

    async def _embed(self, texts: Sequence[str], role: TextRole) -> list[Vector]:
        await self._start()
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{self._port}/invocations",
                json=embed_rerank.embeddings_request(texts, role),
                raise_for_status=True,
            ) as reply,
        ):
            vectors = embed_rerank.read_embeddings(await reply.read())
        rows = [
            (role, text, array("f", vector).tobytes()) for text, vector in zip(texts, vectors, strict=True)
        ]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        return vectors

    async def _start(self) -> None:
        async with self._one_start:
            if self._serving is None:
                self._serving = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "inference.serving", "--port", str(self._port)
                )
                await self._wait_until_ready()

    async def _wait_until_ready(self) -> None:
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self._port}/ping", raise_for_status=True):
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.2)

    async def stop(self, app: web.Application) -> None:
        if self._serving and self._serving.returncode is None:
            self._serving.terminate()
            await self._serving.wait()


async def application(database: sqlite3.Connection, serving_port: int) -> web.Application:
    cache = VectorCache(database, serving_port)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/invocations", cache.invoke)
    app.on_cleanup.append(cache.stop)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--serving-port", type=int, required=True)
    chosen = parser.parse_args()
    chosen.file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(chosen.file)) as database:
        web.run_app(
            application(database, chosen.serving_port),
            host="127.0.0.1",
            port=chosen.port,
            access_log=None,
            print=None,
        )


if __name__ == "__main__":
    main()
