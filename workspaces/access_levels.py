"""Access levels: hide some documents of a workspace from some of its members.

Every member sees the lowest level.
"""

from collections.abc import Iterable, Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from accounts.changes import differences
from accounts.models import User, record
from core.text import one_line

from .models import Membership, Workspace

MOST = 10
_MAX_CHARACTERS = 40


@transaction.atomic
def name_levels(workspace: Workspace, user: User | None, names: Iterable[str]) -> None:
    """Set the workspace's levels, lowest first. With one name or none, every member sees every document.

    A member keeps the level with the same number; a level above the new highest is lowered to it. Raises
    ValidationError for invalid names, for removing a level that a document has, and for moving a level in
    use.
    """
    kept = [name for each in names if (name := one_line(each))]
    if len(kept) > MOST or any(len(each) > _MAX_CHARACTERS for each in kept):
        raise ValidationError(f"There may be {MOST} levels with names of {_MAX_CHARACTERS} characters.")
    if numbers := [each for each in kept if each.isdecimal()]:
        raise ValidationError(
            f"Give the level {numbers[0]} a name: numbers stand for positions in this list."
        )
    if len({each.casefold() for each in kept}) < len(kept):
        raise ValidationError("Two levels have the same name. Give each its own.")
    kept = kept if len(kept) > 1 else []
    current = Workspace.objects.select_for_update().get(pk=workspace.pk)
    highest = max(len(kept) - 1, 0)
    used = current.documents.aggregate(level=Max("access_level"))["level"] or 0
    if used > highest:
        count = current.documents.filter(access_level__gt=highest).count()
        what, them = ("1 document is", "it") if count == 1 else (f"{count:,} documents are", "them")
        raise ValidationError(f"{what} for a level that would be removed. Give {them} a lower one first.")
    _refuse_moves(current, kept)
    current.memberships.filter(access_level__gt=highest).update(access_level=highest)
    changes = differences({"access_levels": current.access_levels}, {"access_levels": kept})
    workspace.access_levels = current.access_levels = kept
    current.save(update_fields=["access_levels", "updated_at"])
    record(user, "workspace.levels", workspace.name, id=str(workspace.pk), levels=kept, changes=changes)


def _refuse_moves(workspace: Workspace, names: list[str]) -> None:
    """Raises ValidationError if a used level moves: rows store positions, so their level would change."""
    before = workspace.access_levels
    moved = [name for name in names if name in before and before.index(name) != names.index(name)]
    if moved and any(
        rows.filter(access_level__gt=0).exists() for rows in (workspace.documents, workspace.memberships)
    ):
        raise ValidationError(
            f"{moved[0]} would move to another position. Documents and members keep their position, so they "
            "would get the level that is there then. Rename a level instead, or add and remove levels at the "
            "end."
        )


@transaction.atomic
def change_level(by: User, membership: Membership, level: int) -> None:
    """Set the highest level that a member sees. Raises ValidationError if there is no such level."""
    names = membership.workspace.access_levels
    if not 0 <= level < len(names):
        raise ValidationError(f"Choose one of the levels: {', '.join(names)}.")
    if level != membership.access_level:
        before = _name_of(names, membership.access_level)
        membership.access_level = level
        membership.save(update_fields=["access_level"])
        changes = differences({"access_level": before}, {"access_level": names[level]})
        record(by, "member.level", str(membership), level=names[level], changes=changes)


def _name_of(names: Sequence[str], level: int) -> str:
    return names[level] if level < len(names) else str(level)
