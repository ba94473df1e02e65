"""Removes users: deletes them with what only they could see, or takes their name away and keeps the rest.

What they added to workspaces stays in both cases, because it belongs to the workspace.
"""

from collections.abc import Iterator
from uuid import uuid4

from django.db import models

from core.db.cascade import delete_in_parts, relations

from . import deletion
from .models import Deletion, User, record
from .operators import keeping_an_operator


@keeping_an_operator()
def deactivate_user(by: User | None, user: User) -> None:
    """Lock a user out, and keep all that is theirs. Raises LastOperator."""
    User.objects.filter(pk=user.pk).update(is_active=False)
    changes = {"is_active": {"old": user.is_active, "new": False}}
    record(by, "user.change", user.username, id=str(user.pk), changes=changes)


@keeping_an_operator()
def delete_user(by: User | None, user: User) -> Deletion | None:
    """Delete a user with everything that is theirs alone: conversations, searches, keys, memberships.

    Return the deletion if there is so much that a worker does it. Raises LastOperator.
    """
    _lock(user)
    record(by, "user.delete", user.username, id=str(user.pk))
    # First, so that nothing new begins: an answer in progress ends by itself once its question is gone.
    User.objects.filter(pk=user.pk).update(is_active=False)
    if deletion.is_small(user):
        deletion.delete_all(user)
        return None
    return deletion.begin(by, user, user.username)


def _delete_in_parts(key: str) -> Iterator[int]:
    return delete_in_parts(User, [key])


deletion.deletes(User, _delete_in_parts)


@keeping_an_operator()
def anonymise_user(by: User | None, user: User) -> None:
    """Take away a user's name, rights and keys. Their conversations stay, for statistics and evaluation.

    This user can never log in again. Raises LastOperator.
    """
    _lock(user)
    record(by, "user.anonymise", user.username)
    user.username = f"removed-{uuid4().hex[:12]}"
    user.first_name = user.last_name = user.email = ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    user.user_permissions.clear()
    for relation in ("api_keys", "memberships"):
        getattr(user, relation).all().delete()


def _lock(user: User) -> None:
    """Lock the user's row, so that no row that refers to it is committed before the removal ends.

    A foreign key takes a key-share lock, with which only FOR UPDATE conflicts (PostgreSQL manual, 13.3.2).
    """
    User.objects.select_for_update().get(pk=user.pk)


def owned_by(user: User) -> dict[str, int]:
    """Return how many rows of each kind would be deleted with this user, by the kind's name."""
    counts = {
        str(each.related_model._meta.verbose_name_plural): each.related_model._base_manager.filter(
            **{each.field.name: user}
        ).count()
        for each in relations(User, models.CASCADE)
        if not each.related_model._meta.auto_created
    }
    return {name: count for name, count in counts.items() if count}
