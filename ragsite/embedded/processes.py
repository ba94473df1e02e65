"""The processes of a laptop: what each is, and when it is ready."""

import os
import sys
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from ragsite import settings

from . import postgres, valkey
from .service import MARK, Service

_CELERY = ("celery", "-A", "ragsite")
_WORKER = ("--concurrency", "2", "--loglevel", "info", "--without-gossip", "--without-mingle")

# The longest frame; pings below the idle limits of load balancers; no compression, which costs a busy process
# CPU for each word and an idle socket its memory.
WEB_SOCKETS = (
    *("--ws-max-size", str(1024 * 1024)),
    *("--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
    *("--ws-per-message-deflate", "false"),
)

# In the order in which they start; they stop the other way round.
PROCESSES: dict[str, Callable[[], Service]] = {
    "postgres": lambda: postgres.service(settings.DATA_DIR),
    "valkey": lambda: valkey.service(settings.DATA_DIR),
    "serving": lambda: _serving(),
    "llm": lambda: _llm(),
    "web": lambda: _web(),
    "worker": lambda: _python("worker", *_CELERY, "worker", *_WORKER),
    "beat": lambda: _python("beat", *_CELERY, "beat", "--loglevel", "warning"),
}


def environment() -> dict[str, str]:
    """Return what the Python processes see: our environment, and what each of them needs."""
    return {
        **os.environ,
        MARK: str(settings.DATA_DIR),
        "PYTHONUNBUFFERED": "1",
        # Threads that spin while they wait starve everything else on two cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
    }


def wanted_services(*, has_llm: bool) -> list[str]:
    """Return the names of what we start: nothing that a variable replaces by a server elsewhere."""
    replaced = {
        "postgres": settings.DATABASE_URL,
        "valkey": settings.REDIS_URL,
        "serving": settings.SERVING_URL,
        "llm": not has_llm,
    }
    return [name for name in PROCESSES if not replaced.get(name)]


def answers(url: str, timeout_s: float = 2) -> bool:
    """Say if a GET of the URL on this machine ends with 200."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path, headers={"Host": urlsplit(settings.SITE_URL).netloc})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def web_address() -> str:
    """Return where the web server is reached from this machine, whatever it listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)
    return f"http://{host}:{settings.PORT}"


def _serving() -> Service:
    port = str(settings.SERVING_PORT)
    return _python(
        "serving",
        *("inference.serving", "--host", "127.0.0.1", "--port", port),
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/ping"),
        start_grace_s=120,  # a cold disk takes long to read torch
    )


def _llm() -> Service:
    return _python(
        "llm",
        "ragsite.embedded.llm",
        is_ready=lambda: answers(f"http://127.0.0.1:{settings.LLM_PORT}/health"),
        start_grace_s=120,
        stop_grace_s=5,
    )


def _web() -> Service:
    return _python(
        "web",
        *("uvicorn", "ragsite.asgi:application", "--host", settings.HOST, "--port", str(settings.PORT)),
        *("--timeout-graceful-shutdown", "5", "--no-access-log"),
        *WEB_SOCKETS,
        is_ready=lambda: answers(f"{web_address()}/health/"),
        stop_grace_s=15,
    )


def _python(
    name: str,
    *arguments: str,
    is_ready: Callable[[], bool] | None = None,
    start_grace_s: float = 60,
    stop_grace_s: float = 20,
) -> Service:
    return Service(
        name=name,
        argv=(sys.executable, "-m", *arguments),
        env=environment(),
        cwd=settings.BASE_DIR,
        is_ready=is_ready,
        start_grace_s=start_grace_s,
        stop_grace_s=stop_grace_s,
    )
