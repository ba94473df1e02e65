"""Folders of sessions, in the user's own order. A deleted folder leaves its sessions, the archived ones too."""

from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404

from accounts.models import User
from chat.errors import NameRefused
from chat.models import Folder, Session

from .names import clean_name

MOST_FOLDERS = 200
NAME_CHARACTERS = 60


def folders_for(user: User) -> QuerySet[Folder]:
    """Return the user's folders in their order, with `session_count` and `archived_count`, which are apart."""
    archived = Q(sessions__is_archived=True)
    counted = user.folders.annotate(
        session_count=Count("sessions", filter=~archived), archived_count=Count("sessions", filter=archived)
    )
    return counted.order_by("position")  # Django drops the default order of what it counts


def folder_for(user: User, id: UUID) -> Folder:
    """Return the folder, with its counts. Raises Http404 if it does not exist or belongs to another user."""
    found = folders_for(user).filter(pk=id).first()
    if found is None:
        raise Http404("There is no such folder.")
    return found


@transaction.atomic
def create_folder(user: User, name: str) -> Folder:
    """Create a folder behind the others. Raises NameRefused."""
    _lock(user)
    name = _free_name(user, name)
    if user.folders.count() >= MOST_FOLDERS:
        raise NameRefused(f"You have {MOST_FOLDERS} folders, which is the limit. Delete one first.")
    last = user.folders.aggregate(last=Max("position"))["last"]
    return Folder.objects.create(user=user, name=name, position=0 if last is None else last + 1)


@transaction.atomic
def rename_folder(user: User, id: UUID, name: str) -> Folder:
    """Rename a folder. Raises Http404 and NameRefused."""
    _lock(user)
    folder = folder_for(user, id)
    folder.name = _free_name(user, name, but=folder)
    folder.save(update_fields=["name"])
    return folder


@transaction.atomic
def move_folder(user: User, id: UUID, step: int) -> None:
    """Move a folder up (-1) or down (1) by one place. At the end of the list nothing happens. Raises Http404."""
    _lock(user)
    folder, folders = folder_for(user, id), list(user.folders.all())
    place = folders.index(folder) + step
    folders.remove(folder)
    folders.insert(max(0, place), folder)
    for position, each in enumerate(folders):
        each.position = position
    Folder.objects.bulk_update(folders, ["position"])


def delete_folder(user: User, id: UUID) -> None:
    """Delete a folder, and keep its sessions. Raises Http404."""
    folder_for(user, id).delete()


def put_into_folder(user: User, session: Session, folder_id: UUID | None) -> None:
    """Put a session of this user into a folder, or None: into none. Raises Http404 for an unknown folder."""
    session.folder = folder_for(user, folder_id) if folder_id else None
    session.save(update_fields=["folder"])


def _free_name(user: User, text: str, but: Folder | None = None) -> str:
    name = clean_name(text, "folder", NAME_CHARACTERS)
    others = user.folders.exclude(pk=but.pk) if but else user.folders.all()
    if others.filter(name__iexact=name).exists():
        raise NameRefused(f"You have a folder “{name}” already. Choose another name.")
    return name


def _lock(user: User) -> None:
    """Make other changes of this user's folders wait: names and places are compared with those of the others."""
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
