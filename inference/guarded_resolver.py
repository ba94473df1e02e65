"""The name resolver of calls to models: it applies the address guard to what a name resolves to."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from .address_guard import LinkLocal, is_refused


class GuardedResolver(AbstractResolver):
    """Resolves names, also numbers such as 0xA9FEA9FE, and refuses what leads to a link-local address."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if any(is_refused(each["host"]) for each in found):
            raise LinkLocal(f"{host} is link-local")
        return found

    async def close(self) -> None:
        await self._resolver.close()
