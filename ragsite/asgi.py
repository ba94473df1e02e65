"""The web process: HTTP pages, the chat socket, and the runner that writes answers.

Start it with a server that supports ASGI's lifespan, such as uvicorn. Without lifespan it writes no answers.
"""

import gc
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import CookieMiddleware
from django.db import DatabaseError

from ragsite import shell

shell.choose_settings()
django.setup(set_prefix=False)

# The imports below need the apps, which the line above loads.
import ragsite.urls  # noqa: E402, F401 - load it now, so that the first visitor does not wait
from chat.queue.runner import Runner  # noqa: E402
from chat.socket.routing import websocket_urlpatterns  # noqa: E402
from core.db.threads import to_thread  # noqa: E402
from ragsite.door.handler import Handler  # noqa: E402
from ragsite.door.origins import OwnOrigin  # noqa: E402
from ragsite.errors import StartError  # noqa: E402
from ragsite.release.schema_version import refuse_newer_database  # noqa: E402

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_connections = ProtocolTypeRouter(
    {
        "http": Handler(),
        "websocket": OwnOrigin(CookieMiddleware(URLRouter(websocket_urlpatterns))),
    }
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await _connections(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Run a runner from the server's start to its shutdown; at shutdown, let it finish its answers."""
    await receive()  # lifespan.startup
    try:
        await to_thread(refuse_newer_database)()
    except StartError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    except DatabaseError:
        log.warning("The database does not answer yet.")
    # Loaded modules live forever: a garbage collection over them would block all answers for a tenth of a
    # second.
    gc.collect()
    gc.freeze()
    async with Runner():
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})
