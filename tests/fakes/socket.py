"""A WebSocket client without a network, in ASGI's own messages.

channels.testing has one too, but importing it wants daphne, and with it Twisted.
"""

import json
from typing import Any
from urllib.parse import unquote

from asgiref.testing import ApplicationCommunicator


class Socket(ApplicationCommunicator):
    def __init__(self, application: Any, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        scope = {"type": "websocket", "path": unquote(path), "query_string": b"", "headers": headers}
        super().__init__(application, scope | {"subprotocols": []})

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(5))["type"] == "websocket.accept")

    async def say(self, frame: Any) -> None:
        """Send text, bytes, or anything else as JSON."""
        if isinstance(frame, bytes):
            await self.send_input({"type": "websocket.receive", "bytes": frame})
        else:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self.send_input({"type": "websocket.receive", "text": text})

    async def hear(self, timeout_s: float = 5) -> Any:
        """Return the next frame."""
        said = await self.receive_output(timeout_s)
        assert said["type"] == "websocket.send", said
        return json.loads(said["text"])

    async def closed_with(self, timeout_s: float = 5) -> int:
        """Return the code with which the server closes, which must be what it does next."""
        said = await self.receive_output(timeout_s)
        assert said["type"] == "websocket.close", said
        return int(said["code"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)
