"""Adds the OpenAI-compatible API to the OpenAPI document, as its views do not use Django REST framework."""

from typing import Any

from pydantic.json_schema import models_json_schema

from chat.models import Answer

from .format import Request
from .replies import Completion, Error, Models

_TAG = "openai"
_PREFIX = "OpenAI"  # for the names of its schemas
_SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}]


_QUESTION = {
    "model": "Club rules/Quotes",
    "messages": [{"role": "user", "content": "How much is the yearly fee?"}],
}
_ANSWER_ID = "6f1c2f0e-7f51-4a5c-9a57-1b0c61a2a5a1"
_COMPLETION = {
    "id": f"chatcmpl-{_ANSWER_ID}",
    "object": "chat.completion",
    "created": 1767225600,
    "model": "Club rules/Quotes",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "The yearly fee is 48 euros [1].", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 211, "completion_tokens": 9, "total_tokens": 220},
    "citations": [
        {
            "number": 1,
            "document_id": "0b8e8d5c-3f0e-4a53-8a2b-6f0c9d7d3e11",
            "title": "Club rules.pdf",
            "page": 3,
            "text": "The yearly fee is 48 euros.",
        }
    ],
    "grounding": "found",
}
_STREAM = (
    'data: {"id": "chatcmpl-' + _ANSWER_ID + '", "object": "chat.completion.chunk", "choices": '
    '[{"index": 0, "delta": {"content": "The yearly"}, "finish_reason": null}]}\n\n'
    "data: [DONE]\n\n"
)
_MODEL = {"id": "Club rules/Quotes", "object": "model", "created": 0, "owned_by": "ragsite"}
_NO_MODEL = {
    "error": {
        "message": "There is no model 'huge': GET /v1/models lists the available models.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
}


def add_openai(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the paths under /v1/ and their schemas to the document.

    This is a post-processing hook of drf-spectacular.
    """
    result["paths"] |= {
        "/v1/chat/completions": {"post": _completions()},
        "/v1/models": {"get": _models()},
        "/v1/models/{name}": {"get": _one_model()},
    }
    result["components"]["schemas"] |= _schemas()
    return result


def _schemas() -> dict[str, Any]:
    described = [(each, "validation") for each in (Request, Completion, Models, Error)]
    _, found = models_json_schema(described, ref_template=f"#/components/schemas/{_PREFIX}{{model}}")  # type: ignore[arg-type]
    schemas = {_PREFIX + name: _in_openapi(schema) for name, schema in found["$defs"].items()}
    grounding = schemas[f"{_PREFIX}Completion"]["properties"]["grounding"]
    grounding |= {"enum": Answer.Grounding.values, "description": "Whether the answer is based on passages."}
    return schemas


def _in_openapi(value: Any) -> Any:
    """Convert a JSON schema to OpenAPI 3.0, which writes null and constants differently."""
    if isinstance(value, list):
        return [_in_openapi(each) for each in value]
    if not isinstance(value, dict):
        return value
    said = {name: _in_openapi(each) for name, each in value.items()}
    if "const" in said:
        said["enum"] = [said.pop("const")]
    if (null := {"type": "null"}) in said.get("anyOf", ()):
        said["anyOf"].remove(null)
        said["nullable"] = True
    return said


def _completions() -> dict[str, Any]:
    return {
        "operationId": "openai_chat_completions",
        "summary": "Create a chat completion, compatible with OpenAI's API",
        "description": "OpenAI's clients work with it unchanged. The last message is the question, and the "
        "earlier ones are its history. `model` is a chat model, or a workspace and a model: "
        "`Club rules/Quotes`, or `Club rules/` for the default model. `filters` limits the search to "
        "documents whose fields match. With `stream`, the reply is a stream of server-sent events: chunks, "
        "then `[DONE]`. If the client disconnects, its answer stops, unless it sent an Idempotency-Key: then "
        "the same request gets the same answer.",
        "tags": [_TAG],
        "security": _SECURITY,
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string"},
                "description": "A request with the same key gets the same answer.",
            }
        ],
        "requestBody": {"required": True, "content": _json("Request", question=_QUESTION)},
        "responses": {
            "200": {
                "description": "The answer, complete or streamed.",
                "content": _json("Completion", answer=_COMPLETION)
                | {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
            },
            **_errors("400", "401", "404", "502", "503"),
        },
    }


def _models() -> dict[str, Any]:
    return {
        "operationId": "openai_models",
        "summary": "List the models, alone and with each workspace",
        "tags": [_TAG],
        "security": _SECURITY,
        "responses": {
            "200": {
                "description": "The names that you can send as `model`.",
                "content": _json("Models", models={"object": "list", "data": [_MODEL]}),
            },
            **_errors("401"),
        },
    }


def _one_model() -> dict[str, Any]:
    return {
        "operationId": "openai_model",
        "summary": "Read a model",
        "tags": [_TAG],
        "security": _SECURITY,
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "The name as in the list, including slashes and spaces.",
            }
        ],
        "responses": {
            "200": {"description": "The model.", "content": _json("Model", model=_MODEL)},
            **_errors("401", "404"),
        },
    }


def _json(schema: str, **examples: Any) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in examples.items()}
    return {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{_PREFIX}{schema}"},
            "examples": shown,
        }
    }


_MEANING = {
    "400": "The request is not valid; the message says what to change.",
    "401": "The API key is missing or not valid.",
    "404": "There is no such model.",
    "502": "The model's server refused or is configured wrongly; an operator has to act.",
    "503": "The answer failed; trying again may help.",
}


def _errors(*statuses: str) -> dict[str, Any]:
    examples = {"404": {"no_model": _NO_MODEL}}
    return {
        status: {"description": _MEANING[status], "content": _json("Error", **examples.get(status, {}))}
        for status in statuses
    }
