"""What requests of the API say of documents, and what is wrong with it, in the API's form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rest_framework.exceptions import ValidationError

from accounts.models import User
from workspaces.metadata_schema import InvalidValue
from workspaces.models import Workspace

from .metadata import About, about


@contextmanager
def bad_values(field: str) -> Iterator[None]:
    """Say what is wrong with a value beside the field of the request that holds it."""
    try:
        yield
    except InvalidValue as problem:
        raise ValidationError({field: [str(problem)]}) from problem


def said_of(user: User, workspace: Workspace, fields: dict[str, Any]) -> About:
    """Take what a request says of documents out of its fields, and return it checked."""
    metadata, level = fields.pop("metadata", None), fields.pop("access_level", None)
    with bad_values("metadata"):
        said = about(workspace, user, metadata)
    with bad_values("accessLevel"):
        return About(said.metadata, about(workspace, user, access_level=level).access_level)
