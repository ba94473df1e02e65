"""Requests, replies and events of models, as frozen dataclasses: no I/O, no Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .template_tokens import disarm_tokens

Vector = list[float]  # one embedding; its length is the model's dimensions
Role = Literal["system", "user", "assistant"]
TextRole = Literal["query", "passage"]  # some embedders want a different prefix for each


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How many seconds we wait for a model before we call it unavailable."""

    connect_s: float = 5.0
    first_token_s: float = 120.0  # a small model on two cores reads 1,500 tokens in 25 s
    between_tokens_s: float = 30.0
    whole_reply_s: float = 120.0  # for replies that do not stream: embeddings, scores, whole answers


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """All data that one model call needs. `secret` is the secret itself; it is never logged."""

    provider: str  # a key of inference.providers.PROVIDERS
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)  # validated by the provider's Options
    secret: str | None = field(default=None, repr=False)
    deadlines: Deadlines = Deadlines()
    name: str = ""  # display name, and name of its circuit breaker; "" has no breaker
    # The tokenizer API of its server, as found by an earlier check: ServerFacts.tokenizer.
    tokenizer: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message of a prompt. Its text contains no chat-template token, no matter who wrote it."""

    role: Role
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", disarm_tokens(self.text))


@dataclass(frozen=True, slots=True)
class Quotable:
    """A passage with the [number] under which a model may cite it."""

    number: int  # from 1
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a chat model.

    `messages` is the whole prompt, including the passages, as text. `question` and `passages` are the same as
    data, for providers that answer without a language model (`quotes`).

    If the last message is the assistant's, it is the beginning of the answer: the reply is what follows it
    (inference.continuation).
    """

    messages: tuple[ChatMessage, ...]
    question: str = ""
    passages: tuple[Quotable, ...] = ()
    max_tokens: int = 512
    temperature: float = 0.1  # 0 to 2
    top_p: float = 1.0  # 0 to 1
    streaming: bool = True

    @property
    def has_begun(self) -> bool:
        return bool(self.messages) and self.messages[-1].role == "assistant"


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model thinks: the text is no part of the answer. Without text it is a sign of life."""

    text: str = ""
    takes_back: bool = False  # all text of the answer so far was thinking, too


SIGN_OF_LIFE = Thinking()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts from the server, or an estimate if the server reports none."""

    input_tokens: int
    output_tokens: int
    is_estimate: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.is_estimate or other.is_estimate,
        )


@dataclass(frozen=True, slots=True)
class Embeddings:
    vectors: list[Vector]  # one per text, in order
    usage: Usage


@dataclass(frozen=True, slots=True)
class Scores:
    values: list[float]  # one per passage, in order; higher is better, on the model's own scale
    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    reason: Literal["stop", "length", "filtered"]  # length: cut at max_tokens


ChatEvent = TextDelta | Thinking | Usage | Finished


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a chat model's server reports about itself; it may report nothing."""

    context_tokens: int | None = None  # prompt and answer together
    tokenizer: str = ""  # which tokenizer API the server has: "vllm", "llama.cpp", "tgi"; "": none known
