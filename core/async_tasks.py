"""Helpers for background tasks of the event loop."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have cleaned up.

    A task is cancelled again until it ends: redis-py connects with asyncio.wait_for, and in Python 3.11 that
    loses a cancellation that arrives together with its result.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)
