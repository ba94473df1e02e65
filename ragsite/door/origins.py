"""Accepts a socket only from a page of this site: scheme, host and port of its origin, as Django's CSRF check does.

A cookie goes to every port of a host, so another program on the same host could otherwise open a socket as the user.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

Application = Callable[..., Awaitable[None]]


class OwnOrigin:
    def __init__(self, application: Application) -> None:
        self._application, self._denier = application, WebsocketDenier.as_asgi()

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        application = self._application if is_own_origin(scope) else self._denier
        await application(scope, receive, send)


def is_own_origin(scope: Mapping[str, Any]) -> bool:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return False
    return bool(origin.lower() == f"{_scheme(scope, headers)}://{host}".lower())


def _scheme(scope: Mapping[str, Any], headers: Mapping[bytes, str]) -> str:
    """Return the scheme of the page. Behind a proxy that ends TLS, a header says it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        if headers.get(header) == secure:
            return "https"
    return "https" if scope.get("scheme") in ("wss", "https") else "http"
