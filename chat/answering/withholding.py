"""Withholds an answer from its asker once they may not see a document that it is based on.

The asker may have lost the membership, or their access level was lowered. No page, API or later prompt shows it.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from chat.models import Answer, AnswerPassage, Summary
from documents.doors import hidden_from
from workspaces.access import limited_for, workspaces_for

_WITHOUT_TEXT = {"finish_reason", "prompt_tokens", "timings_ms"}  # of a trace: these quote nothing
WITHHELD = "This answer is withheld: it is based on documents that you may not see any more. Ask a manager of the workspace."


def withholding(user: User, answers: QuerySet[Answer]) -> QuerySet[Answer]:
    """Return the answers with `is_withheld`: whether one rests on a document that this user may not see any more."""
    hidden = hidden_passages_from(user).filter(answer=OuterRef("pk"))
    return answers.annotate(is_withheld=Exists(hidden))


def withhold(answer: Answer) -> Answer:
    """Return the answer, without its text and what its trace quotes if it is withheld.

    answer: a row of `withholding`, which is not saved. Raises AttributeError for any other row.
    """
    if answer.is_withheld:  # type: ignore[attr-defined]  # an annotation
        answer.text = WITHHELD
        if "trace" not in answer.get_deferred_fields():
            answer.trace = {name: value for name, value in answer.trace.items() if name in _WITHOUT_TEXT}
    return answer


def readable_summaries(user: User) -> QuerySet[Summary]:
    """Return the summaries, except those that may repeat an answer that this user may not see any more."""
    repeated = hidden_passages_from(user).filter(
        answer__turn__session=OuterRef("pk"), answer__turn__created_at__lte=OuterRef("last_turn__created_at")
    )
    return Summary.objects.exclude(Exists(repeated))


def passages_for(user: User) -> QuerySet[AnswerPassage]:
    """Return the passages of answers, except those of documents above this user's access level."""
    return AnswerPassage.objects.exclude(_is_hidden_from(user))


def hidden_passages_from(user: User) -> QuerySet[AnswerPassage]:
    """Return the passages of answers that this user may not see."""
    return AnswerPassage.objects.filter(_is_hidden_from(user))


def _is_hidden_from(user: User) -> Q:
    """Match passages that this user may not see.

    The access level of a deleted document is unknown, so users with a limited level may not see its passages.
    """
    gone = Q(document=None, answer__turn__workspace__in=limited_for(user))
    is_outsider = Q(answer__turn__workspace__isnull=False) & ~Q(
        answer__turn__workspace__in=workspaces_for(user)
    )
    return Q(document__in=hidden_from(user)) | gone | is_outsider
