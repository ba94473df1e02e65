"""Runs the whole web process under uvicorn, its production server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.http import FileResponse, HttpRequest, HttpResponse

from ragsite.asgi import application

PROTOCOL = "ragsite.http_protocol:Protocol"  # as in ragsite.processes


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Serve the application, and yield its address, http://localhost:port."""
    server = uvicorn.Server(
        uvicorn.Config(application, port=0, lifespan="on", log_level="warning", http=PROTOCOL)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


class _KeptFiles(ASGIStaticFilesHandler):
    """Serves static files that the browser keeps for all pages of a test, as it does with the real ones."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        response = super().serve(request)
        if response.streaming:  # a page that is closed while it loads would leave the file open
            with closing(response) as file:
                response = HttpResponse(b"".join(file), headers=dict(file.headers))
        response["Cache-Control"] = "max-age=3600"
        return response


@contextmanager
def served_in_thread(**options: Any) -> Iterator[str]:
    """Do the same for synchronous tests, with the static files: yield its address. options: uvicorn's."""
    files_too = _KeptFiles(application)  # type: ignore[arg-type]  # it wraps any application
    config = uvicorn.Config(
        files_too, port=0, lifespan="on", log_level="warning", **({"http": PROTOCOL} | options)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.01)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
