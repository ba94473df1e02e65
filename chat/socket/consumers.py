"""The WebSocket of the chat page: questions in, events out.

A handler returns at once. A separate task follows each answer. It reads the log at the pace of the socket,
and of the client if it acknowledges (backpressure, docs/adr/0010-acknowledging.md). A runner writes the
answer, whether or not a client listens.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http import Http404

from accounts.errors import SignedOut
from accounts.identity.revocation import socket_registry
from accounts.identity.session import Login, authenticate
from accounts.models import User
from chat.asking import turns
from chat.errors import BadFrame, QuestionRefused
from chat.log.events import Logged
from chat.log.follow import follow_in_batches, is_deleted
from chat.queue.record import FirstEvents
from core.async_tasks import cancel_and_wait
from core.db.threads import retry_on_disconnect, to_thread
from core.outages import as_busy

from . import actions, frames

logger = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED = 1_000  # events in flight to a client that acknowledges
MAX_FOLLOWED = 32  # answers followed on one socket at the same time
SIGNED_OUT = 4401  # the WebSocket close code


class _Window:
    """Flow control: limits how far ahead of a client's acknowledgements an answer is sent.

    There is no limit until the client's first acknowledgement.
    """

    def __init__(self) -> None:
        self._acknowledged: int | None = None
        self._moved = asyncio.Event()

    def move(self, seq: int) -> None:
        self._acknowledged = max(seq, self._acknowledged or 0)
        self._moved.set()

    async def reaches(self, seq: int) -> None:
        while self._acknowledged is not None and seq > self._acknowledged + MAX_UNACKNOWLEDGED:
            self._moved.clear()
            await self._moved.wait()


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    # The socket has no channel in the channel layer: the event bus receives for all sockets of the process.
    channel_layer_alias = "none"

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler without Channels' cleanup of database connections, which costs a thread hop.

        Only functions called through `to_thread` have database connections here, and it closes them itself.
        """
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        self._session_key: str = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
        self._login: Login | None = None
        self._following: dict[UUID, asyncio.Task[None]] = {}
        self._windows: dict[UUID, _Window] = {}
        await self.accept()
        await self.check()
        socket_registry().enter(self)

    async def disconnect(self, code: int) -> None:
        socket_registry().leave(self)
        await cancel_and_wait(self._following.values())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            frame = frames.parse_frame(text_data or "")
        except BadFrame as error:
            await self._pace(None)
            await self._complain(str(error), error.message_id)
            return
        await self._pace(frame)
        await self._answering(self._act(frame), getattr(frame.data, "message_id", ""))

    async def _pace(self, frame: frames.Frame | None) -> None:
        """Read no further frames while this user sends too many, on all sockets together (backpressure)."""
        user = self._login.user.pk if self._login else self._session_key
        while wait_s := actions.spend_frame(user, frame):  # noqa: ASYNC110 - nothing to wait for but time
            await asyncio.sleep(wait_s)

    async def _answering(self, doing: Awaitable[None], message_id: str = "") -> None:
        """Await the action. If it fails and the socket is still open, send the client an error sentence."""
        try:
            await doing
        except OSError:  # uvicorn raises it if we send to a client that has disconnected
            logger.debug("A socket closed before we could reply")
        except SignedOut:
            await self.close_signed_out()
        except (QuestionRefused, Http404) as error:
            await self._complain(str(error), message_id)
        except Exception as error:
            busy = as_busy(error)
            logger.exception("A message on the socket failed")
            await self._complain(
                str(busy) if busy else "Something went wrong on our side. Try again.", message_id
            )

    async def _act(self, frame: frames.Frame) -> None:
        match frame:
            case frames.RunFrame(data=data):
                await self._submit(await self._user(), data)
            case frames.RegenerateFrame(data=data):
                await self._begin(
                    await retry_on_disconnect(to_thread(actions.regenerate))(await self._user(), data)
                )
            case frames.FollowFrame(data=data):
                await retry_on_disconnect(turns.check_followable)(await self._user(), data.answer_id)
                self._follow(data.answer_id, data.after_seq)
            case frames.StopFrame(data=data):
                await retry_on_disconnect(to_thread(turns.stop))(await self._user(), data.answer_id)
            case frames.AckFrame(data=data):  # it reads and changes nothing, so it needs no authentication
                if window := self._windows.get(data.answer_id):
                    window.move(data.seq)

    async def _user(self) -> User:
        """Authenticate the login session again, and return its user. Raises SignedOut."""
        self._login = await retry_on_disconnect(authenticate)(self._session_key)
        return self._login.user

    async def _submit(self, user: User, data: frames.RunData) -> None:
        endpoints = await retry_on_disconnect(turns.find_models.aio)(
            data.model_name, data.model_names, data.provider
        )
        turn, begun = await turns.submit_async(user, actions.question_of(data, endpoints))
        answers = turn.first_answers() if begun else await to_thread(turn.first_answers)()
        await self._begin(actions.acceptance(turn.message_id, turn, answers), begun)

    async def _begin(self, accepted: dict[str, Any], begun: FirstEvents | None = None) -> None:
        await self._say("accepted", accepted)
        for answer_id in (UUID(answer["answerId"]) for answer in accepted["answers"]):
            if answer_id not in self._following:
                self._follow(answer_id, 0, (begun or {}).get(answer_id, ()))

    # --- following -------------------------------------------------------------------------------

    def _follow(self, answer_id: UUID, after_seq: int, begun: Sequence[Logged] = ()) -> None:
        """Start sending an answer's events after `after_seq`, in place of an earlier stream of it."""
        if task := self._following.pop(answer_id, None):
            task.cancel()
        if len(self._following) >= MAX_FOLLOWED:
            raise QuestionRefused(
                f"This page already follows {MAX_FOLLOWED} answers: wait until one of them has ended."
            )
        window = self._windows[answer_id] = _Window()
        task = asyncio.create_task(self._send_events(answer_id, after_seq, begun, window))
        self._following[answer_id] = task
        task.add_done_callback(lambda done: self._forget(answer_id, done))

    def _forget(self, answer_id: UUID, task: asyncio.Task[None]) -> None:
        if self._following.get(answer_id) is task:
            del self._following[answer_id], self._windows[answer_id]

    async def _send_events(
        self, answer_id: UUID, after_seq: int, begun: Sequence[Logged], window: _Window
    ) -> None:
        has_ended = False
        try:
            async with aclosing(follow_in_batches(answer_id, after_seq, begun)) as batches:
                async for events in batches:
                    await window.reaches(events[0].seq)
                    await self._say("event", frames.events_data(answer_id, events))
                    has_ended = events[-1].is_last
            if not has_ended and await is_deleted.aio(answer_id):
                await self._say("gone", {"answerId": str(answer_id)})
        except OSError:  # uvicorn raises it if we send to a client that has disconnected
            logger.debug("A socket closed while we were sending to it")
        except Exception:
            logger.exception("Following answer %s failed", answer_id)
            await self._complain("The connection to this answer failed. Reload the page to continue.")

    # --- sending ---------------------------------------------------------------------------------

    async def _say(self, action: str, data: dict[str, Any]) -> None:
        """Send a frame. Raises OSError if the socket is closed."""
        try:
            await self.send(text_data=json.dumps({"action": action, "data": data}))
        except RuntimeError as error:  # uvicorn raises it if we have closed the socket
            raise ConnectionAbortedError from error

    async def _complain(self, words: str, message_id: str = "") -> None:
        with suppress(OSError):  # the client has disconnected
            await self._say("error", {"message": words} | ({"messageId": message_id} if message_id else {}))

    async def close_signed_out(self) -> None:
        await self._complain("You are signed out. Log in again.")
        with suppress(OSError, RuntimeError):  # it is already closed
            await self.close(code=SIGNED_OUT, reason="signed out")

    # --- for the socket registry (accounts.identity.revocation) ----------------------------------

    @property
    def login(self) -> Login | None:
        """The login as of the last authentication, or None before the first."""
        return self._login

    async def check(self) -> None:
        """Close the socket if its user is signed out or disabled."""
        await self._answering(self._know())

    async def _know(self) -> None:
        await self._user()
