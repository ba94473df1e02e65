"""Writes a conversation, or one answer, as a Markdown file with its sources as footnotes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from django.utils import timezone

from accounts.models import User
from chat.answering.branches import Tree
from chat.models import Answer, AnswerPassage, Session, Turn

from .markdown_text import escaped, quoted, stand_alone
from .reading import passages_of, read_answer, read_turns

_PASSAGES = 200  # in memory
_ENDINGS = {
    Answer.Status.STOPPED: "Stopped before its end.",
    Answer.Status.RUNNING: "Not finished yet.",
    Answer.Status.QUEUED: "Not written yet.",
}


@dataclass(slots=True)
class _Notes:
    """The footnotes of a file. Their numbers go through the whole file, so those of two answers do not clash."""

    numbers: dict[int, int] = field(default_factory=dict)  # by the key of the passage

    def cite(self, numbers: Sequence[int], among: dict[int, AnswerPassage]) -> str:
        """Return the marks of the passages that exist; other numbers stay as they are."""
        if not any(number in among for number in numbers):
            return ""
        return "".join(
            self._mark(among[number]) if number in among else f"\\[{number}]" for number in numbers
        )

    def _mark(self, passage: AnswerPassage) -> str:
        return f"[^{self.numbers.setdefault(passage.pk, len(self.numbers) + 1)}]"

    def definitions(self) -> Iterator[str]:
        """Yield the passages that were cited, and hold few of them at once."""
        keys = iter(self.numbers)
        while part := list(islice(keys, _PASSAGES)):
            found = AnswerPassage.objects.in_bulk(part)
            yield from (_note(self.numbers[key], found[key]) for key in part if key in found)


def _note(number: int, passage: AnswerPassage) -> str:
    text = quoted(stand_alone(passage.text))
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return f"\n[^{number}]: {_title_of(passage)}\n\n{indented}"


def _title_of(passage: AnswerPassage) -> str:
    headings = " › ".join(passage.title_path)
    page = f"page {passage.page}" if passage.page else ""
    imported = "from an imported conversation" if passage.is_imported else ""
    place = [escaped(headings), page, imported]
    return ", ".join(filter(None, [f"**{escaped(passage.document_title)}**", *place]))


def session_as_markdown(user: User, session: Session) -> Iterator[str]:
    """Yield the text of the path that was shown last: each question with the answer in front of each lane."""
    path = Tree.of(session).path()
    notes = _Notes()
    yield _head(str(session), f"{len(path)} question{'s' * (len(path) != 1)}")
    for turn in read_turns(user, path):
        yield _question(turn)
        for answer in _fronts(turn):
            yield _answer(answer, notes)
    yield from _sources(notes)


def answer_as_markdown(user: User, answer: Answer) -> Iterator[str]:
    """Yield the text of one answer with its question."""
    notes = _Notes()
    yield _head(str(answer.turn.session), "one answer")
    yield _question(answer.turn)
    yield _answer(read_answer(user, answer), notes)
    yield from _sources(notes)


def _fronts(turn: Turn) -> list[Answer]:
    """Return the version of each lane that was created or chosen last, as the page shows it."""
    lanes: dict[int, Answer] = {}
    for each in sorted(turn.answers.all(), key=lambda answer: answer.chosen_at or answer.created_at):
        lanes[each.lane] = each
    return [lanes[lane] for lane in sorted(lanes)]


def _head(title: str, extent: str) -> str:
    return f"# {escaped(title)}\n\n*Exported from Ragsite on {_time(timezone.now())}: {extent}.*\n"


def _question(turn: Turn) -> str:
    return f"\n## You, {_time(turn.created_at)}\n\n{quoted(stand_alone(turn.text))}"


def _answer(answer: Answer, notes: _Notes) -> str:
    among = {passage.number: passage for passage in passages_of(answer)}
    text = stand_alone(answer.text, lambda numbers: notes.cite(numbers, among)) if answer.text else ""
    ending = _ENDINGS.get(Answer.Status(answer.status), "")
    if answer.status == Answer.Status.FAILED:
        ending = f"The answer failed. {escaped(answer.error)}"
    elif answer.trace.get("finish_reason") == "length":
        ending = "Cut at its limit."
    elif not (text or ending):
        ending = _without_text(answer)
    return f"\n### {escaped(answer.endpoint_name)}\n\n{text}" + (f"\n*{ending}*\n" if ending else "")


def _without_text(answer: Answer) -> str:
    if answer.grounding == Answer.Grounding.NOTHING_RELEVANT:
        return "Nothing relevant found, so no model was asked."
    if answer.grounding == Answer.Grounding.EMPTY:
        return "The workspace was empty, so no model was asked."
    return "The model returned an empty answer."


def _sources(notes: _Notes) -> Iterator[str]:
    if notes.numbers:
        yield "\n## Sources\n"
        yield from notes.definitions()


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
