"""Runs the whole web process under uvicorn, its production server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

from ragsite.asgi import application


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Serve the application, and yield its address, http://localhost:port."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="on", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@contextmanager
def served_in_thread() -> Iterator[str]:
    """Do the same for synchronous tests, with the static files: yield its address."""
    files_too = ASGIStaticFilesHandler(application)  # type: ignore[arg-type]  # it wraps any application
    server = uvicorn.Server(uvicorn.Config(files_too, port=0, lifespan="on", log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
