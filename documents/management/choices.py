"""Finds the user and the workspace of a command, for the options that several commands share."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from accounts.models import User
from models_registry.models import Endpoint
from workspaces.access import workspaces_for
from workspaces.models import Role, Workspace
from workspaces.settings import create_workspace


def find_user(name: str | None) -> User:
    active = User.objects.filter(is_active=True)
    if name is None:
        user = active.filter(is_superuser=True).order_by("date_joined").first()
        if user is None:
            raise CommandError("There is no operator yet: use --user to name the user who adds the files.")
        return user
    user = active.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no active user named {name}.")
    return user


def find_workspace(user: User, name: str, language: str | None, create: bool) -> Workspace:
    found = workspaces_for(user, Role.EDITOR).select_related("embedder").filter(name=name).first()
    if found:
        return found
    if not create:
        raise CommandError(f"{user} cannot add to a workspace named {name!r}. Use --create to create it.")
    embedder = Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).filter(last_check_ok=True).first()
    if embedder is None:
        raise CommandError("No embedding model has passed a check yet: add one in the admin and check it.")
    try:
        return create_workspace(user, name=name, languages=[language or "en"], embedder=embedder)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
