"""The link to the page of the guide that explains the page on the screen."""

from typing import Any

from django import template
from django.urls import reverse

from ragsite.pages.guide import PAGES

register = template.Library()
# The start of a page's path -> the page of the guide
_OF_PATH = {
    "/workspaces/": "workspaces",
    "/laboratory/": "laboratory",
    "/account/": "account",
    "/api/": "api",
}


@register.simple_tag(takes_context=True)
def help_address(context: dict[str, Any]) -> str:
    path = context["request"].path
    found = (slug for start, slug in _OF_PATH.items() if path.startswith(start))
    slug = next(found, next(iter(PAGES)))
    return reverse("help", args=[_inside_workspace(path) if slug == "workspaces" else slug])


def _inside_workspace(path: str) -> str:
    """Return the page of the guide for a page of a workspace: its documents are most of them."""
    parts = path.strip("/").split("/")
    if len(parts) < 2:
        return "workspaces"
    if "search" in parts:
        return "search"
    if "sources" in parts or "website" in parts or "feed" in parts:
        return "websites"
    return "workspaces" if {"settings", "members", "create"} & set(parts) else "documents"
