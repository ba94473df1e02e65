"""The bare relay that the chat spine is compared with: one consumer, one stream, no storage.

RELAY_FROM=http://127.0.0.1:9100/v1 uvicorn benchmarks.relay:application
"""

import asyncio
import json
import os

import aiohttp
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

if not settings.configured:
    settings.configure()

URL = f"{os.environ.get('RELAY_FROM', '')}/chat/completions"


class Relay(AsyncWebsocketConsumer):  # type: ignore[misc]
    channel_layer_alias = "none"
    session: aiohttp.ClientSession | None = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._task = asyncio.create_task(self._relay(json.loads(text_data or "")))

    async def disconnect(self, code: int) -> None:
        self._task.cancel()

    async def _relay(self, request: dict[str, str]) -> None:
        if Relay.session is None:
            Relay.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        messages = [{"role": "user", "content": request["text"]}]
        body = {"model": "load", "messages": messages, "stream": True}
        async with Relay.session.post(URL, json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    if text := delta.get("content"):
                        await self.send(json.dumps({"text": text}))
        await self.send(json.dumps({"done": True}))


application = ProtocolTypeRouter({"websocket": URLRouter([path("socket", Relay.as_asgi())])})
