"""Whole questions to begin with: of a workspace's pairs, and about the sections of its newest documents."""

from collections.abc import Iterator

from django.db.models.functions import Length

from accounts.models import User
from documents.access import documents_for
from documents.models import Document, Section
from workspaces.models import Workspace

_DOCUMENTS = 20  # the newest ones, whose headings are looked at
_SECTIONS = 200
_MIN_TEXT, _MAX_HEADING = 200, 60  # characters of a section that is worth a question, and of its heading
_MAX_QUESTION = 140
# The language of the document -> the question about one of its sections. The reader of a document reads its language.
_ABOUT = {
    "de": "Was muss ich über „{heading}“ wissen?",
    "es": "¿Qué debo saber sobre «{heading}»?",
    "fr": "Que faut-il savoir sur « {heading} » ?",
    "it": "Che cosa devo sapere su «{heading}»?",
    "ja": "「{heading}」について教えてください。",
    "nl": "Wat moet ik weten over ‘{heading}’?",
    "pt": "O que devo saber sobre “{heading}”?",
    "en": "What should I know about “{heading}”?",
}


def starter_questions(user: User, workspace: Workspace, limit: int) -> list[str]:
    """Return up to `limit` questions that documents answer which this user may see: those of pairs first."""
    ready = documents_for(user, workspace).filter(status=Document.Status.READY).order_by("-ready_at")
    pairs = ready.filter(kind=Document.Kind.QA).values_list("title", flat=True)
    found = [title for title in pairs[: 3 * limit] if len(title) <= _MAX_QUESTION][:limit]
    about = _about_sections(list(ready.exclude(kind=Document.Kind.QA)[:_DOCUMENTS]))
    return [*found, *(question for question, _ in zip(about, range(limit - len(found)), strict=False))]


def _about_sections(documents: list[Document]) -> Iterator[str]:
    """Yield one question for each document that has a section with a telling heading."""
    sections = Section.objects.filter(document__in=documents).alias(length=Length("text"))
    rows = sections.filter(length__gte=_MIN_TEXT).exclude(title_path=[]).order_by("position")
    headings: dict[object, str] = {}
    for document_id, path in rows.values_list("document_id", "title_path")[:_SECTIONS]:
        if _is_telling(path):
            headings.setdefault(document_id, path[-1])
    for document in documents:
        if heading := headings.get(document.pk):
            yield _question(document, heading)


def _is_telling(path: list[str]) -> bool:
    """Return whether a heading names a subject: one below the title, of several words, and not too long."""
    heading = path[-1]
    has_words = len(heading.split()) > 1 or (not heading.isascii() and len(heading) > 3)
    return len(path) > 1 and has_words and len(heading) <= _MAX_HEADING and any(map(str.isalpha, heading))


def _question(document: Document, heading: str) -> str:
    if heading.rstrip().endswith(("?", "？", "؟")):
        return heading
    return _ABOUT.get(document.language[:2], _ABOUT["en"]).format(heading=heading)
