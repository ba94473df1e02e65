"""The far side of an installation that is dumped and upgraded: its models and its website, on loopback.

A dump names them by addresses that exist nowhere. `place` puts in where they are now, as an operator does whose
model servers moved.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.model_container import running_in_thread as container_in_thread
from tests.fakes.openai_server import Behaviour, OpenAIServer
from tests.fakes.openai_server import running_in_thread as openai_in_thread
from tests.fakes.site import Site, html, running_site
from tests.installation import Installation

NOVELIST = "A cat sat on the mat, and nobody knew why."
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class World:
    container: str  # embeds texts in 8 dimensions
    openai: (
        OpenAIServer  # the chat models "cited", "novelist" and "slow", the embedder "wide" of 16 dimensions
    )
    site: Site

    def addresses(self) -> dict[str, str]:
        """Return where each part is now, by the address that stands for it in a dump."""
        return {
            "http://container.invalid": self.container,
            "http://openai.invalid": self.openai.base_url.removesuffix("/v1"),
            "http://site.invalid": self.site.url,
        }

    def place(self, dump: str) -> str:
        for marker, address in self.addresses().items():
            dump = dump.replace(marker, address)
        return dump

    def displace(self, dump: str) -> str:
        for marker, address in self.addresses().items():
            dump = dump.replace(address, marker)
        return dump

    def installation(self, root: Path, data_dir: Path) -> Installation:
        made = Installation(root, data_dir, self.container)
        made.variables |= {
            "RAGSITE_ADMIN_PASSWORD": PASSWORD,
            "RAGSITE_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        }
        return made


@contextmanager
def running_world() -> Iterator[World]:
    with ExitStack() as stack:
        openai = stack.enter_context(openai_in_thread())
        openai.models["novelist"] = Behaviour(text=NOVELIST)
        openai.models["wide"] = Behaviour(dimensions=16)
        site = stack.enter_context(running_site())
        site.pages["/"] = html("Welcome to the museum of bridges", "/opening", "/tickets")
        site.pages["/opening"] = html("The museum opens at nine on weekdays", "/")
        site.pages["/tickets"] = html("A ticket costs eleven euros", "/")
        yield World(stack.enter_context(container_in_thread()), openai, site)
