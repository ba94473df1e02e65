"""Base class of the options that an operator sets for an endpoint, and the fields that providers share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from .address_guard import is_refused


class Options(BaseModel):
    """Each field has a title and a description: the admin builds its form from them."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _check_address(address: str) -> str:
    try:
        parts = urlsplit(address)
        is_sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not address.isprintable() or " " in address:
        raise ValueError("write an address such as https://models.example.com/v1")
    if is_refused(parts.hostname or ""):
        raise ValueError("choose another host: link-local addresses are not for models")
    if parts.username or parts.password:
        raise ValueError("leave user and password out of the address; use the secret reference")
    if parts.query or parts.fragment:
        raise ValueError("leave out the ? or # and everything after it")
    return address.rstrip("/")


HttpAddress = Annotated[str, AfterValidator(_check_address)]  # without a trailing slash

# The kinds of model that an option applies to; the admin leaves the option out of the forms of other kinds.
CHAT_ONLY: JsonDict = {"kinds": ["chat"]}
EMBEDDING_ONLY: JsonDict = {"kinds": ["embedding"]}
NOT_CHAT: JsonDict = {"kinds": ["embedding", "reranker"]}

BatchSize = Annotated[
    int,
    Field(
        ge=1,
        le=2048,
        title="Batch size",
        description="How many texts to send in one request. Smaller if the server refuses long requests.",
        json_schema_extra=NOT_CHAT,
    ),
]
