"""Ratings of answers, for operators and for evaluations."""

from uuid import UUID

from accounts.models import User
from chat.errors import QuestionRefused
from chat.models import AnswerRating
from core.text import storable

from .turns import answer_for

MAX_COMMENT_CHARACTERS = 2_000


def rate(user: User, answer_id: UUID, *, is_good: bool, comment: str = "") -> AnswerRating:
    """Store this user's rating of an answer in place of their earlier one.

    Raises QuestionRefused and Http404.
    """
    answer = answer_for(user, answer_id)
    if not answer.has_ended:
        raise QuestionRefused("This answer is still being written: rate it when it has ended.")
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise QuestionRefused(
            f"A comment can have at most {MAX_COMMENT_CHARACTERS:,} characters: shorten it."
        )
    fields = {"is_good": is_good, "comment": storable(comment).strip()}
    return AnswerRating.objects.update_or_create(answer=answer, user=user, defaults=fields)[0]


def withdraw(user: User, answer_id: UUID) -> None:
    """Delete this user's rating of an answer, if there is one. Raises Http404."""
    AnswerRating.objects.filter(answer=answer_for(user, answer_id), user=user).delete()
