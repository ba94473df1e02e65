"""Removes users: deletes them with what only they could see, or takes their name away and keeps the rest.

What they added to workspaces stays in both cases, because it belongs to the workspace.
"""

from uuid import uuid4

from django.db import models

from .models import User, record
from .operators import keeping_an_operator


@keeping_an_operator()
def delete_user(by: User, user: User) -> None:
    """Delete a user with everything that is theirs alone: conversations, searches, keys, memberships.

    Raises LastOperator.
    """
    record(by, "user.delete", user.username)
    # First, so that nothing new begins: an answer in progress ends by itself once its question is gone.
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.delete()


@keeping_an_operator()
def anonymise_user(by: User, user: User) -> None:
    """Take away a user's name, rights and keys. Their conversations stay, for statistics and evaluation.

    This user can never log in again. Raises LastOperator.
    """
    record(by, "user.anonymise", user.username)
    user.username = f"removed-{uuid4().hex[:12]}"
    user.first_name = user.last_name = user.email = ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    user.user_permissions.clear()
    for relation in ("api_keys", "memberships"):
        getattr(user, relation).all().delete()


def owned_by(user: User) -> dict[str, int]:
    """Return how many rows of each kind would be deleted with this user, by the kind's name.

    Django finds the relations, so apps above add theirs without a change here.
    """
    relations = [each for each in User._meta.related_objects if each.on_delete is models.CASCADE]
    counts = {
        str(each.related_model._meta.verbose_name_plural): each.related_model._base_manager.filter(
            **{each.field.name: user}
        ).count()
        for each in relations
    }
    return {name: count for name, count in counts.items() if count}
