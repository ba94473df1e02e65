"""Reads conversations for an export as their owner may see them now, a few turns at a time."""

from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import UUID

from django.db.models import Prefetch

from accounts.models import User
from chat.answering.withholding import passages_for, withhold, withholding
from chat.log.events import text_of
from chat.log.follow import read_shown
from chat.models import Answer, AnswerPassage, AnswerRating, Turn

PART = 20  # turns in memory


def read_turns(user: User, turns: Sequence[UUID]) -> Iterator[Turn]:
    """Yield these turns in this order, with their answers, passages and the user's ratings.

    A withheld answer has neither its words nor any passage. An answer in progress has its words so far.
    """
    answers = Prefetch("answers", withholding(user, Answer.objects.all()))
    seen = Prefetch("answers__passages", passages_for(user))
    own = Prefetch("answers__ratings", AnswerRating.objects.filter(user=user))
    left = iter(turns)
    while part := list(islice(left, PART)):
        found = Turn.objects.select_related("workspace").prefetch_related(answers, seen, own).in_bulk(part)
        for id in part:
            if turn := found.pop(id, None):  # else it was deleted meanwhile
                for answer in turn.answers.all():
                    _complete(answer)
                yield turn


def read_answer(user: User, answer: Answer) -> Answer:
    """Return an answer of `turns.answer_for` as `read_turns` does."""
    [turn] = read_turns(user, [answer.turn_id])
    return next(each for each in turn.answers.all() if each.pk == answer.pk)


def passages_of(answer: Answer) -> list[AnswerPassage]:
    return [] if answer.is_withheld else list(answer.passages.all())  # type: ignore[attr-defined]  # an annotation


def _complete(answer: Answer) -> None:
    withhold(answer)
    if not answer.has_ended:
        answer.text = text_of(read_shown(answer.pk))
