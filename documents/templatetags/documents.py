from typing import Any, cast

from django import template
from django.template import Context

from documents.media_types import BY_NAME
from documents.models import Document
from documents.reading import without_headings
from documents.retrieval import Passage
from documents.strip import strip_context
from workspaces.models import Workspace

register = template.Library()


@register.inclusion_tag("documents/_strip.html", takes_context=True)
def strip(context: Context) -> dict[str, Any]:
    page = context.flatten()
    return strip_context(cast(Workspace, page["workspace"]), bool(page["may_manage"]))


@register.filter
def file_type(document: Document) -> str:
    """Return what people call this kind of file: PDF, DOCX, MD."""
    kind = BY_NAME.get(document.media_type)
    return kind.extensions[0].upper() if kind else document.media_type


@register.filter
def body(passage: Passage) -> str:
    """Return the passage without the headings that its path shows already."""
    return without_headings(passage.text, passage.title_path)
