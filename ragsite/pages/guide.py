"""The guide in the site itself: the files of docs/guide as pages, so that help is where its reader is."""

import re
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# Slug -> the file under docs/, in the order of the menu
PAGES = {
    "chat": "guide/chat.md",
    "workspaces": "guide/workspaces.md",
    "documents": "guide/documents.md",
    "websites": "guide/websites.md",
    "search": "guide/search.md",
    "laboratory": "guide/laboratory.md",
    "models": "guide/models.md",
    "account": "guide/account.md",
    "api": "guide/api.md",
    "operations": "guide/operations.md",
    "troubleshooting": "guide/troubleshooting.md",
    "growth": "guide/what_grows.md",
    "configuration": "configuration.md",
    "glossary": "glossary.md",
}
_SLUGS = {path.rpartition("/")[2]: slug for slug, path in PAGES.items()}
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@require_safe
def guide(request: HttpRequest, slug: str = "chat") -> HttpResponse:
    """Show a page of the guide."""
    if slug not in PAGES:
        raise Http404("The guide has no such page.")
    context = {"slug": slug, "title": title_of(slug), "html": html_of(slug)}
    return render(request, "guide.html", context | {"titles": {each: title_of(each) for each in PAGES}})


@cache
def title_of(slug: str) -> str:
    found = _TITLE.search(_text(slug))
    return found[1] if found else slug


@cache
def html_of(slug: str) -> SafeString:
    """Return a page as HTML. Its headings have anchors; links to files that are no pages become plain text."""
    tokens = _MARKDOWN.parse(_text(slug))
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[place + 1].content))
        if token.children:
            token.children = _with_own_links(token.children)
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return mark_safe(html)


def _text(slug: str) -> str:
    return (settings.BASE_DIR / "docs" / PAGES[slug]).read_text()


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return _NOT_IN_ANCHOR.sub("", heading.lower()).replace(" ", "-")


def _with_own_links(tokens: list[Token]) -> list[Token]:
    kept, is_dropped = [], False
    for token in tokens:
        if token.type == "link_open":
            address = _address(str(token.attrGet("href")))
            is_dropped = not address
            token.attrSet("href", address)
        if not (is_dropped and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept


def _address(link: str) -> str:
    """Return the address of a link of the guide in the site, "" if the site does not have its target."""
    if link.startswith(("#", "http://", "https://", "mailto:")):
        return link
    path, _, anchor = link.partition("#")
    slug = _SLUGS.get(path.rpartition("/")[2])
    if slug is None:
        return ""
    return reverse("help", args=[slug]) + (f"#{anchor}" if anchor else "")
