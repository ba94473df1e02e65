"""Our own processes as data: their commands and readiness probes, the same on a laptop and in a cluster.

`ragsite.embedded` passes them to its supervisor, together with PostgreSQL and Valkey, which only it can
start.
"""

import os
from dataclasses import dataclass

_CELERY = ("celery", "-A", "ragsite")
# The largest frame; pings more frequent than the idle timeouts of load balancers; no compression, which costs
# CPU per word in a busy process and memory per idle socket.
WEB_SOCKETS = (
    *("--ws-max-size", str(1024 * 1024)),
    *("--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
    *("--ws-per-message-deflate", "false"),
)


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    arguments: tuple[str, ...]  # after `python -m`
    health_path: str = ""  # readiness probe: GET on its port returns 200; "": ready as soon as it runs
    start_grace_s: float = 60
    stop_grace_s: float = 20  # between SIGTERM and SIGKILL


def serving(host: str, port: int) -> Process:
    """Return the model container for embeddings and reranking. Reading torch from a cold disk takes long."""
    arguments = ("inference.serving", "--host", host, "--port", str(port))
    return Process("serving", arguments, "/ping", start_grace_s=120)


def web(host: str, port: int) -> Process:
    address = ("--host", host, "--port", str(port))
    # Without a proxy, a client must not choose the address by which the login limits its attempts.
    trusted = ("--forwarded-allow-ips", os.environ.get("FORWARDED_ALLOW_IPS", ""))
    protocol = ("--http", "ragsite.http_protocol:Protocol")
    options = (*protocol, "--timeout-graceful-shutdown", "5", "--no-access-log", *trusted, *WEB_SOCKETS)
    arguments = ("uvicorn", "ragsite.asgi:application", *address, *options)
    return Process("web", arguments, "/health/", stop_grace_s=15)


def worker(concurrency: int) -> Process:
    """Return a Celery worker. concurrency: documents read at the same time, each in its own process."""
    quiet = ("--loglevel", "info", "--without-gossip", "--without-mingle")
    return Process("worker", (*_CELERY, "worker", "--concurrency", str(concurrency), *quiet))


def beat() -> Process:
    """Return the scheduler of periodic tasks. One is enough: two send each task once (ragsite.monitoring.schedule)."""
    return Process("beat", (*_CELERY, "beat", "--loglevel", "warning"))
