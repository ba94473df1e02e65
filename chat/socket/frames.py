"""Schemas of the frames that a client may send. Unknown fields and actions are rejected by name."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from chat.asking.turns import MAX_MODELS
from chat.errors import BadFrame

MAX_FRAME_CHARACTERS = 256 * 1024  # enough for the longest question with every character escaped
_MAX_SEQ = 2**31 - 1
_ERRORS_SHOWN = 3


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


OptionalId = Annotated[UUID | None, BeforeValidator(lambda value: value or None)]  # "" means None
Seq = Annotated[int, Field(ge=0, le=_MAX_SEQ)]


class ModelKwargs(_Part):
    streaming: bool = True
    max_tokens: int = 512
    temperature: float = 0.1
    top_p: float = 1.0


class RunData(_Part):
    model_name: str = ""  # an endpoint's name or id; empty: the default model
    # Instead of model_name: several models, which answer side by side
    model_names: tuple[str, ...] = Field((), max_length=MAX_MODELS)
    provider: str = ""  # if set, the endpoints must have this provider
    session_id: OptionalId = None
    workspace_id: OptionalId = None
    filters: dict[str, Any] = Field(default_factory=dict)  # documents.fields.filters
    model_kwargs: ModelKwargs = ModelKwargs()
    text: str
    mode: Literal["chain"] = "chain"
    message_id: str


class RegenerateData(_Part):
    answer_id: UUID
    message_id: str
    model_name: str = ""  # empty: the model of the old answer
    provider: str = ""
    model_kwargs: ModelKwargs | None = None  # None: those of the old answer


class FollowData(_Part):
    answer_id: UUID
    after_seq: Seq = 0


class AckData(_Part):
    answer_id: UUID
    seq: Seq


class StopData(_Part):
    answer_id: UUID


class RunFrame(_Part):
    action: Literal["run"]
    data: RunData


class RegenerateFrame(_Part):
    action: Literal["regenerate"]
    data: RegenerateData


class FollowFrame(_Part):
    action: Literal["follow"]
    data: FollowData


class AckFrame(_Part):
    action: Literal["ack"]
    data: AckData


class StopFrame(_Part):
    action: Literal["stop"]
    data: StopData


Frame = RunFrame | RegenerateFrame | FollowFrame | AckFrame | StopFrame
_FRAME: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="action")])


def parse_frame(text: str) -> Frame:
    """Parse and validate a frame. Raises BadFrame."""
    if len(text) > MAX_FRAME_CHARACTERS:
        raise BadFrame(f"The message is longer than {MAX_FRAME_CHARACTERS:,} characters.")
    try:
        raw = from_json(text)
    except ValueError as error:
        raise BadFrame("The message is not valid JSON.") from error
    try:
        return _FRAME.validate_python(raw)
    except ValidationError as error:
        raise BadFrame(_in_words(error), _message_id(raw)) from error


def _in_words(error: ValidationError) -> str:
    parts = [f"{_place(each['loc'])}: {each['msg']}"[:200] for each in error.errors()[:_ERRORS_SHOWN]]
    return "The message is not valid. " + "; ".join(parts)


def _place(path: tuple[int | str, ...]) -> str:
    """Return "data.text" for ("run", "data", "text"): the first part only names the kind of frame."""
    return ".".join(map(str, path[1:])) or "message"


def _message_id(raw: Any) -> str:
    data = raw.get("data") if isinstance(raw, dict) else None
    found = data.get("messageId") if isinstance(data, dict) else None
    return found[:64] if isinstance(found, str) else ""
