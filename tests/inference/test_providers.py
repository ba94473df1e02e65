"""What every provider in the table promises, and how options are checked."""

import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from inference.connect import open_chat, open_embedder, open_reranker
from inference.errors import Misconfigured
from inference.providers import PROVIDERS, parse_options
from inference.types import EndpointSpec, Finished, TextDelta, Usage
from tests.fakes.openai_server import OpenAIServer

from .conftest import QUESTION, REQUEST, events_of


def providers_of(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "provider", [name for name, provider in PROVIDERS.items() if provider.supports(kind)]
    )


@pytest.fixture
def specs(openai_server: OpenAIServer, container_url: str) -> Mapping[str, EndpointSpec]:
    """A working endpoint of every provider. A new provider adds its line here."""
    return {
        "openai_compat": EndpointSpec(
            "openai_compat", "fake", {"base_url": openai_server.base_url, "batch_size": 3}, secret="sk-hush"
        ),
        "container": EndpointSpec("container", "", {"url": container_url, "batch_size": 3}),
        "quotes": EndpointSpec("quotes", ""),
    }


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
def test_an_operator_is_told_what_it_is(provider: Any) -> None:
    assert provider.kinds
    assert provider.label
    assert re.fullmatch(r"[A-Z].*\.", provider.description)
    for field in provider.options.model_fields.values():
        assert field.title
        assert re.fullmatch(r"[A-Z].*\.", field.description), "a form's help text is a sentence"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_unknown_options_are_refused_by_name(provider: str) -> None:
    with pytest.raises(Misconfigured, match="no option 'colour': remove it"):
        parse_options(provider, {"colour": "red"})


@providers_of("chat")
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "at once"])
async def test_a_chat_writes_words_then_usage_then_the_end(
    specs: Mapping[str, EndpointSpec], provider: str, streaming: bool
) -> None:
    async with open_chat(specs[provider]) as model:
        *deltas, usage, finished = await events_of(model, replace(REQUEST, streaming=streaming))
    assert finished == Finished("stop")
    assert isinstance(usage, Usage)
    texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(texts) == len(deltas)
    assert len(texts) > 1 if streaming else len(texts) == 1
    assert "[1]" in "".join(texts)


@providers_of("chat")
async def test_a_chat_may_be_left_and_used_again(specs: Mapping[str, EndpointSpec], provider: str) -> None:
    async with open_chat(specs[provider]) as model:
        async with aclosing(model.stream(REQUEST)) as events:
            first = await anext(events)
        assert (await events_of(model))[0] == first


@providers_of("embedding")
async def test_an_embedder_gives_one_vector_for_each_text_in_order(
    specs: Mapping[str, EndpointSpec], provider: str
) -> None:
    texts = [f"text number {number}" for number in range(8)]  # more than two batches
    async with open_embedder(specs[provider]) as model:
        vectors = (await model.embed(texts, "passage")).vectors
        assert (await model.embed([], "passage")).vectors == []
        assert [((await model.embed([text], "passage")).vectors)[0] for text in texts] == vectors
    assert len({tuple(vector) for vector in vectors}) == len({len(vector) for vector in vectors}) * 8


@providers_of("reranker")
async def test_a_reranker_gives_one_score_for_each_passage_in_order(
    specs: Mapping[str, EndpointSpec], provider: str
) -> None:
    passages = ["nothing here", "What is the capital", *["the sea"] * 5, QUESTION]
    async with open_reranker(specs[provider]) as model:
        scores = (await model.score(QUESTION, passages)).values
        assert (await model.score(QUESTION, [])).values == []
    assert len(scores) == 8
    assert sorted(range(8), key=lambda index: -scores[index])[:2] == [7, 1]


OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing": ("container", {}, r"^Address \(url\) is missing: fill it in\.$"),
    "no address": ("container", {"url": "models"}, r"Address \(url\): write an address such as"),
    "another scheme": ("openai_compat", {"base_url": "ftp://a/v1"}, "write an address such as"),
    "no host": ("openai_compat", {"base_url": "https:///v1"}, "write an address such as"),
    "a wild port": ("openai_compat", {"base_url": "http://a:99999/v1"}, "write an address such as"),
    "spaces inside": ("openai_compat", {"base_url": "http://a b/v1"}, "write an address such as"),
    "a password": ("openai_compat", {"base_url": "http://me:pw@a/v1"}, "leave user and password out"),
    "a query": ("openai_compat", {"base_url": "http://a/v1?key=1"}, "the [?] or # and everything"),
    "too small": ("openai_compat", {"batch_size": 0}, r"Batch size \(batch_size\): .* equal to 1\."),
    "no number": ("openai_compat", {"batch_size": "many"}, r"Batch size \(batch_size\): .* integer"),
    "a choice": ("openai_compat", {"limit_field": "x"}, "'max_tokens' or 'max_completion_tokens'"),
    "two wrong": ("openai_compat", {"batch_size": 0, "x": 1}, r"Batch size .*\. There is no option 'x'"),
    "unknown provider": ("telepathy", {}, "no provider 'telepathy'. Choose one of: openai_compat, "),
}


@pytest.mark.parametrize(("provider", "options", "sentence"), OPTIONS.values(), ids=OPTIONS.keys())
def test_a_wrong_option_is_named_with_a_remedy(provider: str, options: Any, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        parse_options(provider, options)


def test_addresses_are_tidied() -> None:
    options = parse_options("openai_compat", {"base_url": " http://[::1]:8080/v1/ "})
    assert options.model_dump()["base_url"] == "http://[::1]:8080/v1"
