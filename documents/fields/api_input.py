"""What requests of the API say of documents, and what is wrong with it, in the API's form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rest_framework.exceptions import ValidationError

from accounts.models import User
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

from .metadata import MetadataChange, parse_change


@contextmanager
def field_errors(field: str) -> Iterator[None]:
    """Say what is wrong with a value beside the field of the request that holds it."""
    try:
        yield
    except InvalidValue as problem:
        raise ValidationError({field: [str(problem)]}) from problem


def read_change(user: User, workspace: Workspace, fields: dict[str, Any]) -> MetadataChange:
    """Take what a request says of documents out of its fields, and return it checked."""
    metadata, level = fields.pop("metadata", None), fields.pop("access_level", None)
    with field_errors("metadata"):
        said = parse_change(workspace, user, metadata)
    with field_errors("accessLevel"):
        return MetadataChange(said.metadata, parse_change(workspace, user, access_level=level).access_level)
