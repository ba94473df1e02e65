"""Seeds a new installation. Each part is created once; changes by an operator are kept."""

import hashlib
import json
import os
import secrets
import time
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.db import transaction

from accounts.models import AuditEvent, User
from accounts.operators import lock_operators, working_operators
from documents.adding import service as intake
from documents.ingestion.deletion import delete_document
from documents.models import Document
from models_registry.models import Endpoint
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

from .own_endpoints import EMBEDDER

DEMO_NAME = "Ragsite handbook"
_NO_OPERATOR = "No operator can log in with a password. Make one: manage.py operator NAME"
_TO_DO = (Document.Status.PENDING, Document.Status.PROCESSING)


def password_file() -> Path:
    return Path(settings.DATA_DIR) / "admin_password"


@transaction.atomic
def first_operator() -> str:
    """Create the user `admin` on a new site. Return a sentence if no operator can log in, else "".

    A site that has users gets no other one: a new `admin` would be a way in that its people do not know of.
    """
    lock_operators()  # two processes may start at once
    if User.objects.exists():
        return "" if working_operators().exists() else _NO_OPERATOR
    given = os.environ.get("RAGSITE_ADMIN_PASSWORD", "")
    password = given or secrets.token_urlsafe(9)
    User.objects.create_superuser("admin", password=password)
    if not given:
        password_file().touch(mode=0o600)
        password_file().write_text(password + "\n")
    return ""


# --- the demo workspace -------------------------------------------------------------------------


def demo(within_s: float = 180) -> str:
    """Bring the workspace with our own documentation up to date. Return a sentence about it.

    Return "" if there is nothing to do: the files are unchanged, or an operator deleted the workspace, or its
    embedder is not healthy (the next start tries again). Needs a running worker.
    """
    files = _handbook()
    before, now = _read_stamp(), {_sha256(path): path.name for path in files}
    if before == now or not Endpoint.objects.filter(name=EMBEDDER, last_check_ok=True).exists():
        return ""
    if workspace := _demo_workspace():
        _replace_documents(workspace, files, set(before) - set(now), within_s)
    _stamp().write_text(json.dumps(now))
    return f"The workspace “{DEMO_NAME}” holds {len(files)} documents." if workspace else ""


def _handbook() -> list[Path]:
    docs: Path = settings.BASE_DIR / "docs"
    paths = [settings.BASE_DIR / "README.md", *sorted(docs.glob("*.md")), *sorted(docs.glob("guide/*.md"))]
    return [path for path in paths if path.exists()]


def _stamp() -> Path:
    return Path(settings.DATA_DIR) / "handbook.json"


def _read_stamp() -> dict[str, str]:
    """Return the files of the last run: names by the SHA-256 of their content."""
    return dict(json.loads(_stamp().read_text())) if _stamp().exists() else {}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _demo_workspace() -> Workspace | None:
    """Return the demo workspace, and create it the first time; None if a user deleted it."""
    if workspace := Workspace.objects.filter(name=DEMO_NAME).first():
        return workspace
    if AuditEvent.objects.filter(action="workspace.delete", subject=DEMO_NAME).exists():
        return None
    return provision_workspace(
        working_operators().order_by("date_joined").first(),
        name=DEMO_NAME,
        description="Ragsite's own documentation, to try it out: ask how to add a model, or what a workspace is.",
        languages=["en"],
        embedder=Endpoint.objects.get(name=EMBEDDER),
    )


def _replace_documents(workspace: Workspace, files: list[Path], gone: set[str], within_s: float) -> None:
    """Add the new files, wait, and only then delete those that they replace: searches always find one.

    gone: SHA-256 digests of the last run's files. They never match documents that users added.
    """
    for path in files:
        with path.open("rb") as file:
            intake.add_file(workspace, workspace.created_by, File(file, name=path.name), path.name)
    _wait_for(workspace, within_s)
    for document in workspace.documents.filter(content_sha256__in=gone):
        delete_document(document, workspace.created_by)


def _wait_for(workspace: Workspace, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while workspace.documents.filter(status__in=_TO_DO).exists() and time.monotonic() < deadline:
        time.sleep(0.5)
