"""Reads environment variables, and rejects invalid values at start-up with a sentence about the remedy."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_USUAL_PORTS = {"http": 80, "https": 443}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def secret(name: str, default: str = "") -> str:
    """Return variable NAME, or the content of the file that NAME_FILE names (Docker and ECS secrets)."""
    path = text(f"{name}_FILE")
    if not path:
        return text(name, default)
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error.strerror}.") from error


def flag(name: str, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: write true or false.")


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch("-?[0-9]{1,18}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name}={value!r}: write a whole number from {least} to {most}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def origin(name: str, default: str) -> str:
    """Return the address of a site as browsers send it in Origin: in lower case, without path and usual port."""
    value = url(name, ("http", "https")) or default
    try:
        parts = urlsplit(value)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ImproperlyConfigured(
            f"{name}={value!r}: write only the scheme, the host and, if needed, the port, such as "
            "https://ragsite.example.com. Ragsite cannot be served below a path."
        )
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != _USUAL_PORTS[parts.scheme] else "")


def url(name: str, schemes: tuple[str, ...]) -> str:
    """Return a URL with one of `schemes`, or "" if NAME is not set."""
    value = secret(name)
    if value and urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} must start with {' or '.join(f'{scheme}://' for scheme in schemes)}."
        )
    return value
