"""The credentials of a machine in a cloud are at a link-local address, which no model is at."""

import socket

import pytest
from aiohttp.abc import AbstractResolver

from inference.address_guard import LinkLocal, is_refused
from inference.connect import open_embedder
from inference.errors import InferenceError, Misconfigured, Unauthorized
from inference.guarded_resolver import GuardedResolver
from inference.masking import mask
from inference.providers import parse_options
from inference.types import EndpointSpec
from tests.fakes.openai_server import Behaviour, OpenAIServer


@pytest.mark.parametrize(
    "host",
    [
        *(
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "2002:a9fe:a9fe::",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::6464:64c8",
            "64:ff9b:1::a9fe:a9fe",
        ),
        *("metadata.google.internal", "METADATA.google.internal.", "100.100.100.200"),
    ],
)
def test_link_local_addresses_are_refused_when_an_endpoint_is_saved(host):
    assert is_refused(host)
    address = f"[{host}]" if ":" in host else host
    with pytest.raises(Misconfigured, match="link-local"):
        parse_options("openai_compat", {"base_url": f"http://{address}/v1"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.8", "192.168.1.1", "fd12::1", "models.example.com", "::1", "64:ff9b::a00:8"]
)
def test_other_private_addresses_are_allowed(host):
    assert not is_refused(host)


@pytest.mark.parametrize("host", ["2852039166", "0251.0376.0251.0376", "169.254.43518"])
async def test_numbers_that_are_an_address_in_disguise_are_refused(host):
    spec = EndpointSpec("openai_compat", "m", {"base_url": f"http://{host}/v1"})
    with pytest.raises(InferenceError, match="is not a valid address"):
        async with open_embedder(spec) as embedder:
            await embedder.embed(["x"], "query")


@pytest.mark.parametrize(("address", "is_allowed"), [("169.254.169.254", False), ("10.0.0.8", True)])
async def test_a_name_that_resolves_to_a_link_local_address_is_refused(address, is_allowed):
    class Names(AbstractResolver):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            return [
                {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
            ]

        async def close(self):
            pass

    resolver = GuardedResolver(Names())
    if is_allowed:
        assert (await resolver.resolve("models.example"))[0]["host"] == address
    else:
        with pytest.raises(LinkLocal):
            await resolver.resolve("models.example")


KEY = "sk-proj-abcdefghijklmnop1234"


SHOWN = [
    KEY,
    KEY[:12],
    "sk-p****1234",
    "****1234",
    "sk-proj-...1234",
    "sk-••••1234",
    f"key:{KEY}",
    f'"{KEY[5:]}"',
]


@pytest.mark.parametrize("shown", SHOWN)
async def test_no_part_of_a_key_is_shown(shown):
    behaviour = Behaviour(status=401, error=f"No access for {shown}. See our help.")
    async with OpenAIServer(behaviour=behaviour) as server:
        spec = EndpointSpec("openai_compat", "m", {"base_url": server.base_url}, secret=KEY)
        with pytest.raises(Unauthorized) as refused:
            async with open_embedder(spec) as embedder:
                await embedder.embed(["x"], "query")
    assert "1234" not in str(refused.value)
    assert "sk-p" not in str(refused.value)
    assert "See our help." in str(refused.value)


@pytest.mark.parametrize("shown", SHOWN)
def test_our_key_is_masked_whatever_it_looks_like(shown):
    said = mask(f"No access for {shown}. See our help.", KEY)
    assert "***" in said
    assert "1234" not in said
    assert "sk-p" not in said
    assert said.endswith("See our help.")


def test_other_words_are_kept():
    words = "The model gpt-4 does not exist... Read https://example.com/docs."
    assert mask(words, KEY) == words
