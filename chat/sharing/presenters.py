"""View models of a shared conversation. They hold only what this reader may see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.utils.safestring import SafeString

from chat.models import Answer, AnswerPassage, SharedLink, Turn
from chat.pages.presenters import place
from chat.pages.render import Citation, cited_numbers, render
from documents.doors import Block, blocks, without_headings

from .snapshot import Row, Snapshot
from .withheld import Reader, Withheld, withheld_from

TURNS_PER_PAGE = 30


@dataclass(frozen=True, slots=True)
class SharedPassage:
    anchor: str
    number: int
    title: str
    place: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    html: SafeString
    text: str
    status: str
    grounding: str
    passages: Sequence[SharedPassage]  # the cited ones; others are not named


@dataclass(frozen=True, slots=True)
class SharedTurn:
    question: str | None  # None: withheld
    answers: Sequence[SharedAnswer | None]  # None: withheld


@dataclass(frozen=True, slots=True)
class SharedConversation:
    link: SharedLink
    turns: Sequence[SharedTurn]
    page: Page[Row]
    withheld_count: int  # answers on all pages


def present_conversation(reader: Reader, link: SharedLink, page_number: str) -> SharedConversation:
    snapshot, withheld = Snapshot.from_json(link.snapshot), withheld_from(reader, link)
    page = Paginator(snapshot.turns, TURNS_PER_PAGE).get_page(page_number)
    turns = list(_turns(list(page.object_list), withheld))
    return SharedConversation(link, turns, page, len(snapshot.answers & set(withheld.answers)))


def _turns(rows: Sequence[Row], withheld: Withheld) -> Iterator[SharedTurn]:
    turns = Turn.objects.in_bulk([turn for turn, _ in rows])
    wanted = [each for _, answers in rows for each in answers if each not in withheld.answers]
    answers = Answer.objects.defer("trace").prefetch_related("passages").in_bulk(wanted)
    for turn, ids in rows:
        if turn not in turns:  # deleted just now
            continue
        question = None if turn in withheld.questions else turns[turn].text
        yield SharedTurn(question, [_answer(answers[each]) if each in answers else None for each in ids])


def _answer(answer: Answer) -> SharedAnswer:
    passages = {each.number: each for each in answer.passages.all()}
    cited = [passages[number] for number in cited_numbers(answer.text, list(passages))]
    citations = [Citation(each.number, f"#{_anchor(each)}", each.document_title) for each in cited]
    return SharedAnswer(
        render(answer.text, citations),
        answer.text,
        answer.status,
        answer.grounding,
        [_passage(each) for each in cited],
    )


def _anchor(passage: AnswerPassage) -> str:
    return f"passage-{passage.answer_id}-{passage.number}"


def _passage(passage: AnswerPassage) -> SharedPassage:
    text = without_headings(passage.text, passage.title_path)
    shown = blocks(text, 0, (0, 0), is_markdown=True)
    return SharedPassage(_anchor(passage), passage.number, passage.document_title, place(passage), shown)
