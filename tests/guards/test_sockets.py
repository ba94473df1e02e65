import asyncio
import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from chat.models import Turn
from chat.socket.routing import websocket_urlpatterns
from ragsite.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = [str(each.pattern).strip("^$") or "anything/else" for each in websocket_urlpatterns]
RUN = {"action": "run", "data": {"text": "What now?", "messageId": "m", "modelName": "", "mode": "chain"}}


def socket(path: str, headers: dict[str, str]) -> ApplicationCommunicator:
    """Knock at a socket as an ASGI server does."""
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": f"/{path}",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
    }
    return ApplicationCommunicator(application, scope)


async def say(to: ApplicationCommunicator, kind: str, **fields: Any) -> None:
    await to.send_input({"type": f"websocket.{kind}", **fields})


@pytest.mark.parametrize("path", PATHS)
async def test_every_consumer_refuses_anonymous_visitors(path):
    """It may shake hands and say why, but then it hangs up, whatever it is sent."""
    visitor = socket(path, {"origin": "http://localhost", "host": "localhost"})
    await say(visitor, "connect")
    reply = await visitor.receive_output(5)
    if reply["type"] == "websocket.accept":
        await say(visitor, "receive", text=json.dumps(RUN))
        while (reply := await visitor.receive_output(5))["type"] == "websocket.send":
            assert json.loads(reply["text"])["action"] == "error"
    assert reply["type"] == "websocket.close"
    await say(visitor, "disconnect", code=1000)
    await visitor.wait(5)
    assert not await asyncio.to_thread(Turn.objects.exists)


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}])
async def test_a_page_of_another_site_gets_no_socket(headers):
    visitor = socket("socket", headers)
    await say(visitor, "connect")
    assert (await visitor.receive_output(5))["type"] == "websocket.close"
