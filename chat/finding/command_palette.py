"""What the command palette offers: places and commands, and the documents and conversations that fit some words."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet, Value
from django.urls import reverse

from accounts.models import User
from core.db.folded_text import Folded
from documents.doors import hidden_from
from documents.models import Document
from workspaces.access import may_create_workspaces, workspaces_for

MOST_DOCUMENTS = 6
MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Command:
    label: str
    icon: str  # of lucide
    href: str = ""
    presses: str = (
        ""  # instead: a selector of an element that it clicks; a page without that does not show the command
    )
    words: str = ""  # that also find it


def commands_for(user: User) -> list[Command]:
    """Return the commands and pages that this user may use."""
    found = [
        Command("New chat", "square-pen", reverse("chat"), words="ask question conversation"),
        Command("Archived sessions", "archive", f"{reverse('chat')}?view=archived", words="archive chats"),
        Command("Workspaces", "library", reverse("workspaces"), words="documents files upload members"),
        Command("Laboratory", "flask-conical", reverse("laboratory-search"), words="compare search models"),
        Command("Your account", "user", reverse("account"), words="settings profile name password api keys"),
        Command("Help", "life-buoy", reverse("guide"), words="guide documentation manual"),
        Command("Your data", "download", reverse("own-data"), words="export privacy account"),
        Command("API reference", "code", reverse("api-docs"), words="rest program developer help"),
    ]
    if user.has_usable_password():
        found.append(
            Command("Change password", "key-round", reverse("change-password"), words="account security")
        )
    if may_create_workspaces(user):
        found.append(Command("New workspace", "plus", reverse("workspace-create"), words="create corpus"))
    if user.is_operator:
        found.append(
            Command("Admin", "sliders-horizontal", reverse("admin:index"), words="console settings operators")
        )
    return [*found, *_ON_THE_PAGE]


_ON_THE_PAGE = [
    Command(
        "Theme: system", "monitor", presses='[data-theme-choice="auto"]', words="settings colours automatic"
    ),
    Command("Theme: light", "sun", presses='[data-theme-choice="light"]', words="settings colours bright"),
    Command("Theme: dark", "moon", presses='[data-theme-choice="dark"]', words="settings colours night"),
    Command("Keyboard shortcuts", "keyboard", presses="[data-show-shortcuts]", words="help keys"),
    Command(
        "Show or hide the sessions", "panel-left", presses="[data-toggle-sessions]", words="sidebar list"
    ),
    Command(
        "Show or hide the sources", "panel-right", presses="[data-toggle-sources]", words="passages panel"
    ),
    Command("Log out", "log-out", presses='form[action$="/logout/"] button', words="sign out leave"),
]


def find_documents(user: User, words: str) -> QuerySet[Document]:
    """Return the newest documents that this user may see and whose title has all these words."""
    wanted = Q()
    for word in words.split()[:MOST_WORDS]:
        wanted &= Q(title__folded__contains=Folded(Value(word)))
    seen = Document.objects.filter(wanted, workspace__in=workspaces_for(user)).exclude(
        pk__in=hidden_from(user).values("pk")
    )
    return seen.select_related("workspace").order_by("-created_at")[:MOST_DOCUMENTS]
