"""The web process: pages over HTTP, the chat socket, and the runner that writes answers.

Start it with a server that speaks ASGI's lifespan, such as uvicorn; without it, nothing here writes answers.
"""

import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
_http = get_asgi_application()

# What follows needs the apps, which the line above loads.
import ragsite.urls  # noqa: E402, F401 - now, instead of in front of the first visitor
from chat.queue.runner import Runner  # noqa: E402
from chat.socket.routing import websocket_urlpatterns  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_connections = ProtocolTypeRouter(
    {
        "http": _http,
        "websocket": AllowedHostsOriginValidator(CookieMiddleware(URLRouter(websocket_urlpatterns))),
    }
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await _connections(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Keep a runner from the server's start to its end; at the end, let it finish what it writes."""
    await receive()  # lifespan.startup
    # What is loaded stays: looking through it for garbage would stop all answers for a tenth of a second.
    gc.collect()
    gc.freeze()
    async with Runner():
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})
