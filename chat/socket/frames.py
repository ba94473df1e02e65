"""Schemas of the frames that a client may send. Unknown fields and actions are rejected by name."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from chat.asking.turns import MAX_MODELS
from chat.errors import BadFrame
from chat.log.events import Logged

MAX_FRAME_CHARACTERS = 256 * 1024  # enough for the longest question with every character escaped
_MESSAGE_ID = re.compile(r'"messageId"\s*:\s*"([\w.:-]{1,64})"', re.ASCII)
_HALF_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
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
    follows_id: OptionalId = None  # the turn before it; absent: the last one of the path shown last
    temporary: bool = False  # for a new session: it is deleted when it ends
    edits_id: OptionalId = None  # the turn that it is another version of
    text: str
    mode: Literal["chain"] = "chain"
    message_id: str


class RegenerateData(_Part):
    answer_id: UUID
    message_id: str
    model_name: str = ""  # empty: the model of the old answer
    provider: str = ""
    model_kwargs: ModelKwargs | None = None  # None: those of the old answer
    continues: bool = False  # go on with the text of the old answer, which was cut


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


def events_data(answer_id: UUID, events: Sequence[Logged]) -> dict[str, Any]:
    """Return the data of an "event" frame."""
    sent = [{"seq": each.seq, "kind": each.kind, "data": each.data} for each in events]
    return {"answerId": str(answer_id), "events": sent}


def parse_frame(text: str) -> Frame:
    """Parse and validate a frame. Raises BadFrame."""
    if len(text) > MAX_FRAME_CHARACTERS:
        words = f"The message is longer than {MAX_FRAME_CHARACTERS:,} characters: shorten it."
        raise BadFrame(words, _message_id_in(text))
    try:
        raw = from_json(text)
    except (ValueError, TypeError) as error:
        raise _not_json(text) from error
    try:
        return _FRAME.validate_python(raw)
    except ValidationError as error:
        raise BadFrame(_in_words(error), _message_id(raw)) from error


def _not_json(text: str) -> BadFrame:
    """Return the error for a frame that cannot be read. With its message id, the client does not send it again."""
    if _HALF_CHARACTER.search(text):
        words = "The text contains half of a character, such as a broken emoji: remove it, and send it again."
    else:
        words = "The message is not valid JSON."
    return BadFrame(words, _message_id_in(text))


def _message_id_in(text: str) -> str:
    found = _MESSAGE_ID.search(text)
    return found[1] if found else ""


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
