"""Reads metadata from API requests, and reports invalid values in the API's error format."""

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
    """Report an invalid value as an error of the request field that holds it."""
    try:
        yield
    except InvalidValue as problem:
        raise ValidationError({field: [str(problem)]}) from problem


def read_change(user: User, workspace: Workspace, fields: dict[str, Any]) -> MetadataChange:
    """Remove the metadata from a request's fields, and return it validated. Raises ValidationError."""
    metadata, level = fields.pop("metadata", None), fields.pop("access_level", None)
    with field_errors("metadata"):
        said = parse_change(workspace, user, metadata)
    with field_errors("accessLevel"):
        return MetadataChange(said.metadata, parse_change(workspace, user, access_level=level).access_level)
