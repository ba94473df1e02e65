"""The services of a laptop, with their commands and readiness probes."""

import os
import sys
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from ragsite import processes, settings
from ragsite.processes import Process
from ragsite.shell import environment_for_python

from . import postgres, valkey
from .ports import own_hosts
from .service import MARK, Service

_WORKERS = 2  # documents that are read concurrently
_LLM = Process("llm", ("ragsite.embedded.llm",), "/health", start_grace_s=120, stop_grace_s=5)

# Start order; they stop in reverse order.
PROCESSES: dict[str, Callable[[], Service]] = {
    "postgres": lambda: postgres.service(settings.DATA_DIR),
    "valkey": lambda: valkey.service(settings.DATA_DIR),
    "serving": lambda: _python(processes.serving("127.0.0.1", settings.SERVING_PORT), serving_address()),
    "llm": lambda: _python(_LLM, f"http://127.0.0.1:{settings.LLM_PORT}"),
    "web": lambda: _python(processes.web(settings.HOST, settings.PORT), web_address()),
    "worker": lambda: _python(processes.worker(_WORKERS)),
    "beat": lambda: _python(processes.beat()),
}


def environment() -> dict[str, str]:
    """Return the environment of the Python processes: ours, plus what each of them needs."""
    return {
        **environment_for_python(),
        **_allowed_hosts(),
        MARK: str(settings.DATA_DIR),
        "PYTHONUNBUFFERED": "1",
        # On two cores, OpenMP threads that spin while they wait starve all other processes.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
    }


def _allowed_hosts() -> dict[str, str]:
    """Return the variable that lets other machines in, if we listen on all addresses and no variable says who."""
    if not settings.LISTENS_EVERYWHERE or "RAGSITE_ALLOWED_HOSTS" in os.environ:
        return {}
    return {"RAGSITE_ALLOWED_HOSTS": ",".join([*settings.ALLOWED_HOSTS, *own_hosts()])}


def wanted_services(*, has_llm: bool) -> list[str]:
    """Return the names of the services to start: those that no variable replaces by an external server."""
    replaced = {
        "postgres": settings.DATABASE_URL,
        "valkey": settings.REDIS_URL,
        "serving": settings.SERVING_URL,
        "llm": not has_llm,
    }
    return [name for name in PROCESSES if not replaced.get(name)]


def answers(url: str, timeout_s: float = 2) -> bool:
    """Tell whether a GET of this local URL returns 200."""
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
    """Return the URL of the web server from this machine, whatever address it listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)
    return f"http://{host}:{settings.PORT}"


def serving_address() -> str:
    return f"http://127.0.0.1:{settings.SERVING_PORT}"


def _python(process: Process, address: str = "") -> Service:
    """Return the service that runs one of our processes. address: the base URL of its health path."""
    health = process.health_path
    return Service(
        name=process.name,
        argv=(sys.executable, "-m", *process.arguments),
        env=environment(),
        cwd=settings.BASE_DIR,
        is_ready=(lambda: answers(f"{address}{health}")) if health else None,
        start_grace_s=process.start_grace_s,
        stop_grace_s=process.stop_grace_s,
    )
