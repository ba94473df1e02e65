"""Who may do what in a workspace. It always keeps a manager."""

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from accounts.models import User, record

from .errors import MembershipRefused
from .models import Membership, Role, Workspace


@transaction.atomic
def add_member(by: User, workspace: Workspace, user: User, role: Role) -> Membership:
    """Give this person a role in a workspace. Raises MembershipRefused if they have one, or cannot sign in."""
    if not user.is_active:
        raise MembershipRefused(f"{user} is deactivated. Activate the account first.")
    membership, is_new = Membership.objects.get_or_create(
        workspace=workspace, user=user, defaults={"role": role}
    )
    if not is_new:
        raise MembershipRefused(f"{user} is a member already. Change the role in the list.")
    record(by, "member.add", f"{user} in {workspace}", role=role)
    return membership


@transaction.atomic
def change_role(by: User, membership: Membership, role: Role) -> None:
    """Raises MembershipRefused if no manager would be left."""
    if role != Role.MANAGER:
        check_managers_remain([membership])
    membership.role = role
    membership.save(update_fields=["role"])
    record(by, "member.change", str(membership), role=role)


@transaction.atomic
def remove_member(by: User, membership: Membership) -> None:
    """Raises MembershipRefused if no manager would be left."""
    check_managers_remain([membership])
    record(by, "member.remove", str(membership))
    membership.delete()


def check_managers_remain(ending: Collection[Membership], gaining: Collection[UUID] = ()) -> None:
    """Raise MembershipRefused if a workspace would have no manager any more.

    ending: memberships that are to be no manager's. gaining: workspaces that get another manager in the same step.
    The managers are locked, so that two cannot remove each other at the same moment.
    """
    for membership in ending:
        managers = Membership.objects.select_for_update().filter(
            workspace=membership.workspace_id, role=Role.MANAGER
        )
        left = {manager.pk for manager in managers} - {each.pk for each in ending}
        if not left and membership.workspace_id not in gaining:
            raise MembershipRefused(
                f"{membership.user} is the only manager. Make another member a manager first, "
                "so that the workspace keeps one."
            )
