"""Prompts that people insert into the composer by their name: one's own, and those of a workspace.

Everyone in a workspace uses its prompts; its managers write them.
"""

import re
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.models import User, record
from chat.errors import QuestionRefused
from chat.models import SavedPrompt
from core.text import storable
from workspaces.access import workspace_for, workspaces_for
from workspaces.models import Role, Workspace

MAX_PROMPTS = 200  # of a user, and of a workspace
MAX_CHARACTERS = 8_000
_NAME = re.compile(r"[^\W_][\w-]{0,39}")


def prompts_for(user: User) -> QuerySet[SavedPrompt]:
    """Return the prompts that this user can insert: their own first."""
    found = SavedPrompt.objects.filter(Q(owner=user) | Q(workspace__in=workspaces_for(user)))
    return found.select_related("workspace").order_by("workspace__name", "name")


def save_prompt(
    user: User, name: str, text: str, workspace_id: UUID | None = None, prompt_id: int | None = None
) -> SavedPrompt:
    """Create a prompt, or change the one with this id.

    workspace_id: the workspace that it belongs to; None: it is the user's own. Raises QuestionRefused and Http404.
    """
    workspace = workspace_for(user, workspace_id, Role.MANAGER) if workspace_id else None
    prompt = prompt_to_edit(user, prompt_id) if prompt_id else SavedPrompt()
    prompt.name, prompt.text = _checked_name(name), _checked_text(text)
    prompt.owner, prompt.workspace = (None, workspace) if workspace else (user, None)
    if prompt_id is None and _siblings(prompt).count() >= MAX_PROMPTS:
        raise QuestionRefused(f"There are {MAX_PROMPTS} prompts already: delete one that is not used.")
    try:
        with transaction.atomic():
            prompt.save()
            if workspace:
                record(user, "prompt.save", f"/{prompt.name} of {workspace.name}")
    except IntegrityError as error:
        raise QuestionRefused(f"There is already a prompt /{prompt.name}: choose another name.") from error
    return prompt


@transaction.atomic
def delete_prompt(user: User, prompt_id: int) -> None:
    """Raises Http404."""
    prompt = prompt_to_edit(user, prompt_id)
    prompt.delete()
    if prompt.workspace:
        record(user, "prompt.delete", f"/{prompt.name} of {prompt.workspace.name}")


def prompt_to_edit(user: User, prompt_id: int) -> SavedPrompt:
    """Return the prompt if it is the user's own, or of a workspace that they manage. Raises Http404."""
    found = prompts_for(user).filter(Q(owner=user) | Q(workspace__in=managed_workspaces(user)))
    prompt = found.filter(pk=prompt_id).first()
    if prompt is None:
        raise Http404("There is no such prompt.")
    return prompt


def managed_workspaces(user: User) -> QuerySet[Workspace]:
    return workspaces_for(user, Role.MANAGER)


def _siblings(prompt: SavedPrompt) -> QuerySet[SavedPrompt]:
    return SavedPrompt.objects.filter(owner=prompt.owner, workspace=prompt.workspace)


def _checked_name(name: str) -> str:
    name = storable(name).strip().removeprefix("/").lower()
    if not _NAME.fullmatch(name):
        raise QuestionRefused(
            "A name has 1 to 40 letters, digits, hyphens and underscores, such as weekly-report."
        )
    return name


def _checked_text(text: str) -> str:
    text = storable(text).replace("\r\n", "\n").strip()
    if not text:
        raise QuestionRefused("Write the text of the prompt.")
    if len(text) > MAX_CHARACTERS:
        raise QuestionRefused(
            f"The text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it."
        )
    return text
