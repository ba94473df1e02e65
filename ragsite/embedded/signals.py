"""Signals of a command that has to tidy up before it ends."""

import signal
import sys
from types import FrameType


def stop_on_signals() -> None:
    """Have SIGTERM and SIGHUP unwind the stack, as Ctrl-C does: servers are stopped and partial files removed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
