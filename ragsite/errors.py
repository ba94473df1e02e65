"""Errors that prevent a start."""


class StartError(RuntimeError):
    """A service could not start. The message is for the person at the terminal."""
