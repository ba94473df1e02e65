"""The whole web process under the server it is made for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from ragsite.asgi import application


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Yield its address, http://localhost:port."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="on", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
