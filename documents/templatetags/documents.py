from django import template

from documents.media_types import BY_NAME
from documents.models import Document

register = template.Library()


@register.filter
def file_type(document: Document) -> str:
    """Return what people call this kind of file: PDF, DOCX, MD."""
    kind = BY_NAME.get(document.media_type)
    return kind.extensions[0].upper() if kind else document.media_type
