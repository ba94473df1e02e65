"""Our own processes as data: what each runs, and how it shows that it is ready. A laptop and a cluster read the same.

`ragsite.embedded` gives them to its supervisor, beside PostgreSQL and Valkey, whose binaries only it has.
"""

from dataclasses import dataclass

_CELERY = ("celery", "-A", "ragsite")
# The longest frame; pings below the idle limits of load balancers; no compression, which costs a busy process
# CPU for each word and an idle socket its memory.
WEB_SOCKETS = (
    *("--ws-max-size", str(1024 * 1024)),
    *("--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
    *("--ws-per-message-deflate", "false"),
)


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    arguments: tuple[str, ...]  # after `python -m`
    health_path: str = ""  # GET on its port answers 200 when it is ready; "": to run is to be ready
    start_grace_s: float = 60
    stop_grace_s: float = 20  # between SIGTERM and SIGKILL


def serving(host: str, port: int) -> Process:
    """Return the container of embedding models and cross-encoders. A cold disk takes long to read torch."""
    arguments = ("inference.serving", "--host", host, "--port", str(port))
    return Process("serving", arguments, "/ping", start_grace_s=120)


def web(host: str, port: int) -> Process:
    address = ("--host", host, "--port", str(port))
    options = ("--timeout-graceful-shutdown", "5", "--no-access-log", *WEB_SOCKETS)
    arguments = ("uvicorn", "ragsite.asgi:application", *address, *options)
    return Process("web", arguments, "/health/", stop_grace_s=15)


def worker(concurrency: int) -> Process:
    """concurrency: documents that are read at the same time, each in a process of its own."""
    quiet = ("--loglevel", "info", "--without-gossip", "--without-mingle")
    return Process("worker", (*_CELERY, "worker", "--concurrency", str(concurrency), *quiet))


def beat() -> Process:
    """Return the clock of what recurs. There must be only one."""
    return Process("beat", (*_CELERY, "beat", "--loglevel", "warning"))
