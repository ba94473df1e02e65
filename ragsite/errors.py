"""Errors that end a start."""


class StartError(RuntimeError):
    """Something kept a service from running. The message is for the person at the terminal."""
