"""Errors that prevent a start, a backup or a restore."""


class StartError(RuntimeError):
    """A service could not start. The message is for the person at the terminal."""


class BackupError(RuntimeError):
    """A backup could not be written or restored. The message is for the person at the terminal."""
