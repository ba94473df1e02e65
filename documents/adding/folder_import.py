"""Imports a folder of files. The path of a file on the machine identifies its document.

`import_file` is idempotent: it adds a document, adds a new version to the document of this path, or does
nothing. `find_gone` lists the documents whose files no longer exist. This module never deletes them.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

from django.core.files import File
from django.db.models import Q
from django.utils import timezone

from accounts.changes import differences
from accounts.models import User, record
from documents.errors import DocumentRefused
from documents.fields.metadata import NO_CHANGE, MetadataChange
from documents.models import Document
from workspaces import indexes
from workspaces.models import Workspace

from . import service as intake
from .validation import Content, validate_file

Change = Literal["new", "changed", "moved", "unchanged"]


def files_in(folder: Path, *, follows_links: bool = False) -> Iterator[Path]:
    """Yield all files below the folder in a stable order, without hidden ones.

    A symbolic link may lead to any file of the machine, so links are left out. follows_links: yield those that lead
    to a file below the folder. Linked folders are never entered.
    Raises OSError for a folder that cannot be listed: a file that we cannot see must not count as deleted.
    """

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and _may_read(path, folder, follows_links):
                yield path


def _may_read(path: Path, folder: Path, follows_links: bool) -> bool:
    return not path.is_symlink() or (follows_links and path.resolve().is_relative_to(folder.resolve()))


def _open(root: Path, path: Path) -> BinaryIO:
    """Open a regular file below the root. Raises OSError.

    The place is checked after opening: another program may have put a link there since the folder was listed.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    opened = os.fdopen(handle, "rb")
    place = Path(os.readlink(f"/proc/self/fd/{handle}"))
    if not place.is_relative_to(root.resolve()) or not stat.S_ISREG(os.fstat(handle).st_mode):
        opened.close()
        raise OSError(f"{path.name} leads out of its folder, so it was not read.")
    return opened


def import_file(
    workspace: Workspace,
    user: User | None,
    root: Path,
    path: Path,
    language: str | None,
    present: set[Path],
    about: MetadataChange = NO_CHANGE,
) -> tuple[Document, Change]:
    """Return the file's document and what changed. The caller ingests it. Raises DocumentRefused, OSError.

    root: the folder that contains `path`; both are absolute. present: all paths that were found.
    about: the metadata of a new document.
    """
    _check_name(root, path)
    with _open(root, path) as opened:
        content = validate_file(File(opened, name=path.name), path.name)
        if known := _find_by_path(workspace, path):
            is_same = known.content_sha256 == content.sha256
            return intake.change(
                known, user, content, ask_worker=False
            ), "unchanged" if is_same else "changed"
        if moved := _find_moved(workspace, content, present):
            return _move(moved, user, root, path, content), "moved"
        same = workspace.documents.filter(
            parent=None, folder="", title=content.title, content_sha256=content.sha256
        )
        if other := same.first():  # it was not added from a folder
            return intake.change(other, user, content, ask_worker=False), "unchanged"
        place: dict[str, Any] = {"folder": str(root), "path": str(path.relative_to(root))}
        added = intake.add(workspace, user, content, language, about=about, ask_worker=False, **place)
        return added, "new"


def _check_name(root: Path, path: Path) -> None:
    """Raise DocumentRefused for a file whose path cannot be stored."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise DocumentRefused("Its name, or the name of a folder, is not valid UTF-8. Rename it.") from error
    for column, part in (("folder", root), ("path", path.relative_to(root))):
        kept: Any = Document._meta.get_field(column)
        if len(str(part)) > kept.max_length:
            raise DocumentRefused(
                f"Its {column} is longer than {kept.max_length} characters. Move or rename it."
            )


def find_gone(workspace: Workspace, root: Path, present: set[Path]) -> list[Document]:
    """Return the documents that came from files below this folder that no longer exist."""
    rows = workspace.documents.exclude(folder="").order_by("folder", "path")
    return [each for each in rows if _place(each).is_relative_to(root) and _place(each) not in present]


def _place(document: Document) -> Path:
    return Path(document.folder, document.path)


def _find_by_path(workspace: Workspace, path: Path) -> Document | None:
    """Find the document of this path, no matter which of its parent folders was imported."""
    at = Q()
    for folder in path.parents:
        at |= Q(folder=str(folder), path=str(path.relative_to(folder)))
    return workspace.documents.filter(at).first()


def _find_moved(workspace: Workspace, content: Content, present: set[Path]) -> Document | None:
    """Find a document with the same content whose own file no longer exists."""
    same = workspace.documents.exclude(folder="").filter(content_sha256=content.sha256)
    return next((each for each in same if _place(each) not in present and not _place(each).exists()), None)


def _move(document: Document, user: User | None, root: Path, path: Path, content: Content) -> Document:
    before = {"folder": document.folder, "path": document.path}
    document.folder, document.path = str(root), str(path.relative_to(root))
    document.title, document.updated_at = content.title, timezone.now()
    document.save(update_fields=["folder", "path", "title", "updated_at"])
    indexes.rename(document.workspace, document.pk, document.title)
    changes = differences(before, {"folder": document.folder, "path": document.path})
    record(user, "document.move", document.title, id=str(document.pk), changes=changes)
    return intake.change(document, user, content, ask_worker=False)  # retries a failed document
