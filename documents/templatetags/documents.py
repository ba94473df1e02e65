import re
from collections.abc import Mapping
from typing import Any, cast

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.template import Context

from documents.fields.filters import Filters, in_words
from documents.models import Document, LedgerEntry
from documents.pages import listing
from documents.pages.status_bar import status_bar_context
from documents.parsing.headings import without_headings
from documents.parsing.markdown import plain_line
from documents.parsing.media_types import BY_NAME
from documents.retrieval import Passage
from workspaces.models import Workspace

register = template.Library()


@register.inclusion_tag("documents/_strip.html", takes_context=True)
def strip(context: Context) -> dict[str, Any]:
    page = context.flatten()
    return status_bar_context(cast(Workspace, page["workspace"]), bool(page["may_manage"]))


@register.filter
def file_type(document: Document) -> str:
    """Return the type of a document in words: PDF, DOCX or MD for a file, else its kind, such as Website."""
    if document.kind != Document.Kind.FILE:
        return document.get_kind_display()
    kind = BY_NAME.get(document.media_type)
    return kind.extensions[0].upper() if kind else document.media_type


@register.filter
def has_gaps(reading: Mapping[str, Any]) -> bool:
    """Return whether something of the file was left out, or may be wrong."""
    return any(note["kind"] != "read" for note in reading.get("notes", ()))


@register.filter
def filter_words(filters: Filters) -> str:
    """Return the filters in words: department legal or hr; date from 2024-01-01."""
    return in_words(filters)


@register.filter
def body(passage: Passage) -> str:
    """Return the passage's text without the headings that its title path already shows."""
    return without_headings(passage.text, passage.title_path)


# A line that holds only Markdown marks: the rule below a table's header, or a code fence
_RULE = re.compile(r"^[ \t]*(?:\|[ \t:|-]*|```.*|~~~.*)$\n?", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*)$", re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_STRESS_CUT_OFF = re.compile(r"(?<!\S)\*\*(?=\w)")


@register.filter
def plain(text: str) -> str:
    """Return an excerpt without its Markdown marks, which are noise where only a few lines are shown."""
    text = _RULE.sub("", text)
    text = _ROW.sub(lambda row: " · ".join(filter(None, map(str.strip, row[1].split("|")))), text)
    text = "\n".join(map(plain_line, _HEADING.sub("", text).split("\n")))
    return _STRESS_CUT_OFF.sub("", text).replace("`", "")


@register.filter
def version(document: Document) -> str:
    """Return the hash by which an open page recognises this state of the document."""
    return listing.version(document)


# A detail that a stage records -> its words, singular and plural. Pages show details in this order.
_TOLD = {
    "parser": ("read by {}", "read by {}"),
    "pages": ("{} page", "{} pages"),
    "sections": ("{} section", "{} sections"),
    "characters": ("{} character", "{} characters"),
    "chunks": ("{} passage", "{} passages"),
    "batches": ("{} batch", "{} batches"),
    "embedded": ("{} embedded", "{} embedded"),
    "kept": ("{} already embedded", "{} already embedded"),
    "error": ("{}", "{}"),
}


@register.filter
def summarise_stage(entry: LedgerEntry) -> str:
    """Return the details of a stage in words. A detail without words here appears under its own name."""
    known = [name for name in _TOLD if entry.detail.get(name)]
    others = [name for name, value in entry.detail.items() if value and name not in _TOLD]
    return " · ".join(_in_words(name, entry.detail[name]) for name in (*known, *others))


def _in_words(name: str, value: object) -> str:
    of_one, of_several = _TOLD.get(name, (f"{name}: {{}}",) * 2)
    words = of_one if value == 1 else of_several
    return words.format(intcomma(value) if isinstance(value, int) else value)
