"""Members of a workspace and their roles. A workspace always keeps a manager."""

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from accounts.changes import differences
from accounts.models import User, record

from .errors import MembershipRefused
from .models import Membership, Role, Workspace


@transaction.atomic
def add_member(by: User, workspace: Workspace, user: User, role: Role) -> Membership:
    """Give this user a role. Raises MembershipRefused if they are a member already, or are deactivated."""
    # The lock waits for a removal of this user, and holds off one that begins.
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).first():
        raise MembershipRefused(f"{user} is deactivated. Activate the account first.")
    membership, is_new = Membership.objects.get_or_create(
        workspace=workspace, user=user, defaults={"role": role}
    )
    if not is_new:
        raise MembershipRefused(f"{user} is already a member. Change the role in the list.")
    record(by, "member.add", f"{user} in {workspace}", role=role)
    return membership


@transaction.atomic
def change_role(by: User, membership: Membership, role: Role) -> None:
    """Change a member's role. Raises MembershipRefused if no manager would be left."""
    if role != Role.MANAGER:
        check_managers_remain([membership])
    changes = differences({"role": membership.role}, {"role": role})
    membership.role = role
    membership.save(update_fields=["role"])
    record(by, "member.change", str(membership), role=role, changes=changes)


@transaction.atomic
def remove_member(by: User, membership: Membership) -> None:
    """Remove a member. Raises MembershipRefused if no manager would be left."""
    check_managers_remain([membership])
    record(by, "member.remove", str(membership))
    membership.delete()


def check_managers_remain(ending: Collection[Membership], gaining: Collection[UUID] = ()) -> None:
    """Raises MembershipRefused if a workspace would be left without a manager.

    ending: memberships that will no longer be a manager's. gaining: workspaces that get another manager in
    the same step. The rows of the managers are locked, so that two managers cannot remove each other
    concurrently.
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
