"""Describes the API of OpenAI's clients in the OpenAPI document: its views are not Django REST framework's."""

from typing import Any

from pydantic.json_schema import models_json_schema

from chat.models import Answer

from .format import Request
from .replies import Completion, Error, Models

_TAG = "openai"
_PREFIX = "OpenAI"  # of the names of its schemas
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
        "message": "There is no model 'huge': GET /v1/models lists those there are.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
}


def add_openai(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Put the addresses below /v1/ and their schemas into the document; a hook of drf-spectacular."""
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
    grounding |= {"enum": Answer.Grounding.values, "description": "How the answer rests on its citations."}
    return schemas


def _in_openapi(value: Any) -> Any:
    """Return a JSON schema in the words of OpenAPI 3.0, which has its own for null and for constants."""
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
        "summary": "Answer a conversation, as OpenAI's API does",
        "description": "For OpenAI's clients, unchanged. The last message is the question; the earlier ones are its "
        "history. `model` is a chat model, or a workspace and a model: `Club rules/Quotes`, `Club rules/` for the "
        "default model. `filters` chooses among its documents by what is known of them. With `stream` the reply is server-sent events: chunks, then `[DONE]`. A client that leaves "
        "stops its answer, unless it sent an Idempotency-Key: then the same request gets the same answer.",
        "tags": [_TAG],
        "security": _SECURITY,
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string"},
                "description": "The same again is the same answer.",
            }
        ],
        "requestBody": {"required": True, "content": _json("Request", question=_QUESTION)},
        "responses": {
            "200": {
                "description": "The answer, whole or streamed.",
                "content": _json("Completion", answer=_COMPLETION)
                | {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
            },
            **_errors("400", "401", "404", "503"),
        },
    }


def _models() -> dict[str, Any]:
    return {
        "operationId": "openai_models",
        "summary": "List the models, and the workspaces to ask with them",
        "tags": [_TAG],
        "security": _SECURITY,
        "responses": {
            "200": {
                "description": "What you may name as `model`.",
                "content": _json("Models", models={"object": "list", "data": [_MODEL]}),
            },
            **_errors("401"),
        },
    }


def _one_model() -> dict[str, Any]:
    return {
        "operationId": "openai_model",
        "summary": "Read one of the models",
        "tags": [_TAG],
        "security": _SECURITY,
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "As in the list, slashes and spaces among it.",
            }
        ],
        "responses": {
            "200": {"description": "It is there.", "content": _json("Model", model=_MODEL)},
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
    "400": "Send something else; the message says what.",
    "401": "The API key is missing or not good.",
    "404": "There is no such model.",
    "503": "It failed; trying again may help.",
}


def _errors(*statuses: str) -> dict[str, Any]:
    examples = {"404": {"no_model": _NO_MODEL}}
    return {
        status: {"description": _MEANING[status], "content": _json("Error", **examples.get(status, {}))}
        for status in statuses
    }
