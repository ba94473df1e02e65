"""The OpenAPI document matches the real replies of the OpenAI-compatible API."""

import json
from uuid import uuid4

import pytest

from chat.log.events import Delta, Finished, SourcePassage, Sources
from chat.openai import replies, schema
from chat.openai.format import ApiError, CompletionReply, model, parse_request

PASSAGE = SourcePassage(
    number=1, document_id="d", title="t", title_path=[], page=None, text="words", section=3, start=0, end=5
)


def paths():
    return schema.add_openai({"paths": {}, "components": {"schemas": {}}})["paths"]


def examples(content):
    return [each["value"] for each in content["application/json"]["examples"].values()]


def test_replies_have_the_fields_that_are_described():
    reply = CompletionReply(uuid4(), "small", "", is_streamed=False)
    reply.take(Sources("found", [PASSAGE]))
    reply.take(Delta("Words."))
    reply.take(Finished("stop"))
    replies.Completion.model_validate(reply.whole(), strict=True)
    replies.Models.model_validate({"object": "list", "data": [model("small").as_json()]}, strict=True)
    replies.Error.model_validate(ApiError("No.").as_json(), strict=True)


def test_examples_are_what_they_are_examples_of():
    asked = paths()["/v1/chat/completions"]["post"]
    [question] = examples(asked["requestBody"]["content"])
    assert parse_request(json.dumps(question).encode()).model == "Club rules/Quotes"
    [completion] = examples(asked["responses"]["200"]["content"])
    replies.Completion.model_validate(completion, strict=True)
    [missing] = examples(paths()["/v1/models/{name}"]["get"]["responses"]["404"]["content"])
    replies.Error.model_validate(missing, strict=True)


@pytest.mark.parametrize("name", ["max_completion_tokens", "document_id"])
def test_what_may_be_null_says_so_in_openapis_words(name):
    said = schema.add_openai({"paths": {}, "components": {"schemas": {}}})["components"]["schemas"]
    [found] = [each["properties"][name] for each in said.values() if name in each["properties"]]
    assert found["nullable"]
    assert "null" not in json.dumps(found["anyOf"])
