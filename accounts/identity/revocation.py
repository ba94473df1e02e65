"""Closes sockets whose login was revoked, with one periodic check for all sockets of the process.

Each message of a socket triggers a check, too. The periodic check is for sockets that only listen.
"""

import asyncio
import logging
from typing import Protocol
from weakref import WeakKeyDictionary

from django.db import Error

from .session import Login, still_valid

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 3.0  # a deactivated user's sockets close within five seconds


class Socket(Protocol):
    @property
    def login(self) -> Login | None: ...

    async def check(self) -> None: ...


class SocketRegistry:
    """All sockets of one event loop."""

    def __init__(self) -> None:
        self._sockets: set[Socket] = set()
        self._checks: dict[Socket, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def enter(self, socket: Socket) -> None:
        self._sockets.add(socket)
        self._looking = self._looking or asyncio.create_task(self._look())

    def leave(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if check := self._checks.get(socket):
            check.cancel()
        if not self._sockets and self._looking:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            logins = {each.login.session_key: each.login for each in self._sockets if each.login}
            try:
                good = await still_valid.aio(list(logins.values()))
            except Error as error:
                logger.warning("Cannot check the logins: %s", error)
                continue
            doubtful = [each for each in self._sockets if each.login and each.login.session_key not in good]
            for each in doubtful:
                self._check(each)

    def _check(self, socket: Socket) -> None:
        """Start a check of one socket.

        Do not wait for it: a client that does not read would delay all others.
        """
        if socket not in self._checks:
            task = self._checks[socket] = asyncio.create_task(socket.check())
            task.add_done_callback(lambda done: self._end_check(socket, done))

    def _end_check(self, socket: Socket, task: asyncio.Task[None]) -> None:
        del self._checks[socket]
        if not task.cancelled() and (error := task.exception()):
            logger.error("A socket could not be checked", exc_info=error)


_registries: WeakKeyDictionary[asyncio.AbstractEventLoop, SocketRegistry] = WeakKeyDictionary()


def socket_registry() -> SocketRegistry:
    """Return the registry of the running loop; a web process has only one."""
    loop = asyncio.get_running_loop()
    if loop not in _registries:
        _registries[loop] = SocketRegistry()
    return _registries[loop]
