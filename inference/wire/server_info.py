"""What servers of chat models report about themselves, and their APIs to count tokens: vLLM, llama.cpp, TGI.

vLLM       GET /v1/models has max_model_len; POST /tokenize takes messages and applies the model's template.
llama.cpp  GET /v1/models has "owned_by": "llamacpp"; GET /props has the context of a slot; POST
           /apply-template applies the template; POST /tokenize takes a text.
TGI        GET /info has max_total_tokens; POST /tokenize takes a text.

OpenAI itself, Ollama and LM Studio report none of this.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, PositiveInt, ValidationError

from inference.errors import BadReply
from inference.types import ChatMessage, ServerFacts

from . import openai_chat
from .openai_chat import SystemRole

_Read = TypeVar("_Read", bound=BaseModel)
_TEMPLATE_TOKENS = 8  # per message: its role and delimiters, where a server counts only the text


class _Meta(BaseModel):
    n_ctx: PositiveInt | None = None
    n_ctx_train: PositiveInt | None = None


class _Model(BaseModel):
    id: str = ""
    owned_by: str = ""
    max_model_len: PositiveInt | None = None
    meta: _Meta | None = None


class _Models(BaseModel):
    data: list[_Model] = []


class _Slot(BaseModel):
    n_ctx: PositiveInt | None = None


class _Props(BaseModel):
    default_generation_settings: _Slot = _Slot()


class _Info(BaseModel):
    max_total_tokens: PositiveInt | None = None


class _Filled(BaseModel):
    prompt: str


class _Counted(BaseModel):
    count: int


class _Tokens(BaseModel):
    tokens: list[Any]


# --- facts ---------------------------------------------------------------------------------------


def from_models(listed: bytes, model: str) -> ServerFacts:
    """Return what the list of models reports about this model, or about the only model in the list."""
    models = _read(_Models, listed, _Models()).data
    found = next((each for each in models if each.id == model), models[0] if len(models) == 1 else _Model())
    if found.max_model_len:
        return ServerFacts(found.max_model_len, "vllm")
    if found.owned_by == "llamacpp":
        meta = found.meta or _Meta()
        return ServerFacts(meta.n_ctx or meta.n_ctx_train, "llama.cpp")
    return ServerFacts()


def from_props(props: bytes, known: ServerFacts) -> ServerFacts:
    slot = _read(_Props, props, _Props()).default_generation_settings
    return ServerFacts(slot.n_ctx or known.context_tokens, known.tokenizer)


def from_info(info: bytes) -> ServerFacts:
    found = _read(_Info, info, _Info()).max_total_tokens
    return ServerFacts(found, "tgi") if found else ServerFacts()


# --- token counts --------------------------------------------------------------------------------


def vllm_body(model: str, messages: Sequence[ChatMessage], system_role: SystemRole) -> dict[str, Any]:
    return {"model": model, **template_body(messages, system_role)}


def vllm_count(reply: bytes) -> int:
    return _read(_Counted, reply).count


def template_body(messages: Sequence[ChatMessage], system_role: SystemRole) -> dict[str, Any]:
    return {"messages": openai_chat.messages(messages, system_role)}


def llama_body(filled: bytes) -> dict[str, Any]:
    return {"content": _read(_Filled, filled).prompt, "add_special": True, "parse_special": True}


def llama_count(reply: bytes) -> int:
    return len(_read(_Tokens, reply).tokens)


def tgi_body(messages: Sequence[ChatMessage]) -> dict[str, Any]:
    return {"inputs": "\n".join(each.text for each in messages)}


def tgi_count(reply: bytes, messages: Sequence[ChatMessage]) -> int:
    tokens = _read(_Tokens, b'{"tokens": %s}' % reply).tokens  # the reply is a bare list
    return len(tokens) + _TEMPLATE_TOKENS * len(messages)


def _read(kind: type[_Read], reply: bytes, otherwise: _Read | None = None) -> _Read:
    try:
        return kind.model_validate_json(reply)
    except ValidationError as error:
        if otherwise is not None:
            return otherwise
        raise BadReply("The model's server counts tokens in an unknown format.") from error
