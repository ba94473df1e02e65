"""Compaction makes old logs small, and readers still get the same events."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.log.compaction import AFTER
from chat.log.follow import follow
from chat.models import Answer, AnswerEvent
from core.db.threads import to_thread
from ragsite.cleaning.runs import clean
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ["queued", "started", *["delta"] * 40, "started", "restarted", *["delta"] * 600, "usage", "finished"]


@pytest.fixture
def answer(transactional_db):
    answer = factories.answer(
        factories.session(factories.user()), ended_at=timezone.now() - AFTER - timedelta(minutes=1)
    )
    AnswerEvent.objects.bulk_create(
        AnswerEvent(answer=answer, seq=seq, kind=kind, data={"text": f"«{seq}» "} if kind == "delta" else {})
        for seq, kind in enumerate(KINDS, 1)
    )
    return answer


async def followed(answer, after_seq=0):
    return [event async for event in follow(answer.pk, after_seq)]


async def test_a_compacted_log_is_replayed_as_it_was(answer):
    before = await followed(answer)
    await to_thread(clean)("answer-logs")
    assert await to_thread(answer.events.count)() == len(KINDS) - 640 + 2
    assert await followed(answer) == before
    assert len(before) == len(KINDS)


@pytest.mark.parametrize("after_seq", [1, 2, 3, 41, 42, 43, 45, 300, len(KINDS) - 2, len(KINDS)])
async def test_whoever_comes_back_to_a_compacted_log_goes_on_where_they_were(answer, after_seq):
    before = await followed(answer, after_seq)
    await to_thread(clean)("answer-logs")
    assert await followed(answer, after_seq) == before


def test_each_log_is_compacted_once(answer):
    clean("answer-logs")
    rows = list(answer.events.values())
    clean("answer-logs")
    assert list(answer.events.values()) == rows
    assert Answer.objects.get().has_compact_log


@pytest.mark.parametrize("age", [None, AFTER - timedelta(minutes=10)])
def test_a_log_that_is_written_or_young_is_left_alone(answer, age):
    Answer.objects.update(ended_at=age and timezone.now() - age)
    clean("answer-logs")
    assert answer.events.count() == len(KINDS)


async def test_thinking_is_compacted_apart_from_words_and_what_is_taken_back(answer):
    def write():
        answer.events.all().delete()
        said: list[tuple[str, dict[str, object]]] = [("thinking", {"text": "Hm "})] * 30
        said += [("delta", {"text": "Fo"})] * 20
        said += [("thinking", {"text": "", "takes_back": True})] + [("delta", {"text": "Four. "})] * 10
        AnswerEvent.objects.bulk_create(
            AnswerEvent(answer=answer, seq=seq, kind=kind, data=data)
            for seq, (kind, data) in enumerate([*said, ("finished", {"reason": "stop"})], 1)
        )

    await to_thread(write)()
    before = await followed(answer)
    await to_thread(clean)("answer-logs")
    assert await to_thread(answer.events.count)() == 5
    assert await followed(answer) == before
