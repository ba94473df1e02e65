"""Who may do what in a workspace. It always keeps somebody who can manage it."""

from django.db import transaction

from accounts.models import User, record

from .models import Membership, Role, Workspace


class Refused(Exception):
    """`str()` is a sentence for people."""


@transaction.atomic
def add_member(by: User, workspace: Workspace, user: User, role: Role) -> Membership:
    """Let this person in. Raises Refused if they are in already."""
    membership, is_new = Membership.objects.get_or_create(
        workspace=workspace, user=user, defaults={"role": role}
    )
    if not is_new:
        raise Refused(f"{user} is a member already. Change the role in the list.")
    record(by, "member.add", f"{user} in {workspace}", role=role)
    return membership


@transaction.atomic
def change_role(by: User, membership: Membership, role: Role) -> None:
    """Raises Refused if nobody could manage the workspace afterwards."""
    if role != Role.MANAGER:
        _refuse_last_manager(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    record(by, "member.change", str(membership), role=role)


@transaction.atomic
def remove_member(by: User, membership: Membership) -> None:
    """Raises Refused if nobody could manage the workspace afterwards."""
    _refuse_last_manager(membership)
    record(by, "member.remove", str(membership))
    membership.delete()


def _refuse_last_manager(membership: Membership) -> None:
    """Lock the managers, so that two cannot remove each other at the same moment."""
    managers = Membership.objects.select_for_update().filter(
        workspace=membership.workspace_id, role=Role.MANAGER
    )
    if {manager.pk for manager in managers} == {membership.pk}:
        raise Refused(
            f"{membership.user} is the only manager. Make somebody else a manager first, "
            "so that the workspace stays in somebody's hands."
        )
