"""What people think of answers, for the operators and for evaluations."""

from uuid import UUID

from accounts.models import User
from chat.errors import QuestionRefused
from chat.models import AnswerRating
from core.text import storable

from .turns import answer_for

MAX_COMMENT_CHARACTERS = 2_000


def rate(user: User, answer_id: UUID, *, is_good: bool, comment: str = "") -> AnswerRating:
    """Keep what this user thinks of an answer, instead of what they thought before. Raises Refused."""
    answer = answer_for(user, answer_id)
    if not answer.has_ended:
        raise QuestionRefused("This answer is still being written: rate it when it has ended.")
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise QuestionRefused(f"A comment has at most {MAX_COMMENT_CHARACTERS:,} characters: shorten it.")
    fields = {"is_good": is_good, "comment": storable(comment).strip()}
    return AnswerRating.objects.update_or_create(answer=answer, user=user, defaults=fields)[0]


def withdraw(user: User, answer_id: UUID) -> None:
    """Forget what this user thought of an answer."""
    AnswerRating.objects.filter(answer=answer_for(user, answer_id), user=user).delete()
