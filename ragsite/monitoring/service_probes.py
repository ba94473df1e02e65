"""Probes of the services: each is written to, because a full or read-only server still answers questions."""

import logging
import os
import time
from collections.abc import Callable
from functools import wraps
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, storages
from django.db import DatabaseError, InterfaceError, connection, transaction
from redis import Redis
from redis.exceptions import RedisError

from core.outages import NO_BROKER, NO_DATABASE, outage_of

log = logging.getLogger(__name__)
T = TypeVar("T")

KEPT_S = 5.0  # a probe's outcome is reused for so long: this address needs no login
_BYTES = 6_000  # larger than what a page of the database has left, so that the table must grow


def _kept(probe: Callable[[], T]) -> Callable[[], T]:
    """Return the last outcome again while it is fresh."""
    last: list[tuple[float, T]] = []

    @wraps(probe)
    def called() -> T:
        if not last or time.monotonic() - last[0][0] >= KEPT_S:
            last[:] = [(time.monotonic(), probe())]
        return last[0][1]

    called.forget = last.clear  # type: ignore[attr-defined]
    return called


@_kept
def probe_services() -> dict[str, str]:
    """Return what is wrong with each service, as a sentence, or ""."""
    return {"database": _probe_database(), "broker": _probe_broker(), "files": _probe_files()}


def _probe_database() -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ragsite_writeprobe (filler) VALUES (%s) RETURNING id", [os.urandom(_BYTES)]
            )
            cursor.execute("DELETE FROM ragsite_writeprobe WHERE id <= %s", cursor.fetchone())
    except (DatabaseError, InterfaceError) as error:
        log.warning("The database cannot be written to: %s", error)
        return outage_of(error) or NO_DATABASE
    return ""


def _probe_broker() -> str:
    """Probe the server that is broker, channel layer and cache."""
    try:
        cache.set("health", "x" * 1_000, 60)
    except (RedisError, OSError) as error:
        log.warning("The message server cannot be written to: %s", error)
        return outage_of(error) or NO_BROKER
    return ""


def _probe_files() -> str:
    """Probe the directory of files. A bucket is not probed: it does not fill up, and each request costs money."""
    if not isinstance(storages["default"], FileSystemStorage):
        return ""
    try:
        os.makedirs(settings.MEDIA_ROOT, exist_ok=True)
        with NamedTemporaryFile(dir=settings.MEDIA_ROOT, prefix=".health-") as file:
            file.write(b"x" * 65_536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.warning("Files cannot be stored: %s", error)
        return outage_of(error) or f"Files cannot be stored on the server: {error.strerror}."
    return ""


@_kept
def warnings_of_broker() -> list[str]:
    """Return what endangers messages although the server answers: it may evict them when it is full."""
    try:
        with Redis.from_url(settings.CACHES["default"]["LOCATION"]) as server:
            known: dict[str, Any] = server.info("memory") | server.info("stats")
    except (RedisError, OSError):
        return []  # probe_services says it
    policy = known.get("maxmemory_policy", "noeviction")
    if not known.get("maxmemory") or policy == "noeviction":
        return []
    evicted = f" So far it has deleted {known['evicted_keys']:,} keys." if known.get("evicted_keys") else ""
    return [
        f"The message server (Valkey) deletes messages when it is full (maxmemory-policy {policy}).{evicted} Set "
        "noeviction, or give it more memory. Lost messages of documents are sent again."
    ]
