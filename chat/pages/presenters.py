"""View models of sessions, turns, answers and passages.

They load in a constant number of queries (no N+1).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import (
    Prefetch,
    QuerySet,
    prefetch_related_objects,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from chat.answering.answer_request import Parameters
from chat.answering.branches import Tree, versions_of
from chat.answering.withholding import passages_for, withhold, withholding
from chat.asking.sessions import listed_sessions
from chat.models import Answer, AnswerEvent, AnswerPassage, AnswerRating, Session, Turn
from documents.doors import MARKDOWN, Block, blocks, hidden_from, is_quote, without_headings
from documents.models import Section
from inference.providers.quotes import NO_ANSWER
from models_registry.models import Endpoint
from workspaces.access import workspaces_for
from workspaces.models import Role, Workspace

from .render import Citation, render_cited

EXCERPT_CHARACTERS = 320
CONTEXT_CHARACTERS = 1600  # of the section's text, shown before and after a passage


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage in the list under an answer."""

    number: int
    title: str
    place: str  # "Fees › Late payment, page 3"; "" when the document has no structure
    excerpt: str
    is_cited: bool
    href: str


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    answer: Answer
    question: str
    workspace: Workspace | None
    html: SafeString
    passages: tuple[ShownPassage, ...]
    search_error: str  # a sentence, if the search failed and the model answered without passages
    may_search: bool  # the user still has access to the workspace
    may_add: bool  # the user may add documents to it
    goes_on: bool  # later turns build on this answer
    rating: AnswerRating | None  # the user's own rating

    @property
    def cited(self) -> list[ShownPassage]:
        return [passage for passage in self.passages if passage.is_cited]

    @property
    def uncited(self) -> list[ShownPassage]:
        return [passage for passage in self.passages if not passage.is_cited]

    @property
    def took(self) -> timedelta | None:
        """The time from the question to the end of the answer, as the user experiences it."""
        return self.answer.ended_at - self.answer.created_at if self.answer.ended_at else None

    @property
    def first_words_after(self) -> timedelta | None:
        return self.answer.first_token_at - self.answer.created_at if self.answer.first_token_at else None

    @property
    def thought_for(self) -> timedelta:
        return timedelta(seconds=self.answer.trace.get("thinking_s", 0))

    @property
    def was_model_asked(self) -> bool:
        return self.answer.grounding not in (Answer.Grounding.NOTHING_RELEVANT, Answer.Grounding.EMPTY)

    @property
    def found_no_answer(self) -> bool:
        """Whether Quotes found no answer in the passages: the page then shows the same ways on as without any."""
        return self.answer.text.startswith(NO_ANSWER)

    @property
    def came_to_nothing(self) -> bool:
        """Whether it failed, or has no text although a model was called: there is nothing to rate."""
        failed = self.answer.status == Answer.Status.FAILED
        return failed or (not self.answer.text and self.was_model_asked)

    @property
    def cites_nothing(self) -> bool:
        """Whether it has read passages and finished with text, but rests on none of them, and does not say so."""
        has_read = self.answer.grounding == Answer.Grounding.FOUND and bool(self.passages)
        is_told = self.found_no_answer or self.answer.status != Answer.Status.FINISHED
        return has_read and self.answer.has_words and not self.cited and not is_told

    @property
    def can_continue(self) -> bool:
        return self.answer.can_continue and not self.answer.is_withheld  # type: ignore[attr-defined]  # an annotation

    @property
    def was_filtered(self) -> bool:
        """Whether the content filter of the model's server ended it."""
        return bool(self.answer.trace.get("finish_reason") == "filtered")


@dataclass(frozen=True, slots=True)
class Lane:
    """An answer with its versions, oldest first."""

    versions: tuple[ShownAnswer, ...]

    @property
    def front(self) -> ShownAnswer:
        """The version that was created or chosen last."""
        return max(self.versions, key=lambda shown: shown.answer.chosen_at or shown.answer.created_at)

    @property
    def number(self) -> int:
        """The number of the version in front, from 1."""
        return self.versions.index(self.front) + 1


@dataclass(frozen=True, slots=True)
class QuestionVersions:
    """The place of a question among its versions."""

    number: int = 1  # from 1
    count: int = 1
    before: UUID | None = None
    after: UUID | None = None

    @classmethod
    def of(cls, turn: Turn, versions: Sequence[UUID]) -> "QuestionVersions":
        place = versions.index(turn.pk)
        before, after = versions[:place][-1:], versions[place + 1 :]
        return cls(place + 1, len(versions), next(iter(before), None), next(iter(after), None))


@dataclass(frozen=True, slots=True)
class AskedWith:
    """What was sent along with a question, as JSON for the script that edits it."""

    workspace_id: UUID | None
    workspace_name: str
    filters: str
    models: str  # ids
    model_names: str
    parameters: str

    @classmethod
    def of(cls, turn: Turn, sees: Collection[UUID], offered: Collection[UUID]) -> "AskedWith":
        """Leave out what would be refused: a workspace that is not in `sees`, with its filter, and other models."""
        answers = turn.first_answers()
        kept = [each for each in answers if each.endpoint_id in offered]
        parameters = Parameters(**answers[0].parameters) if answers else Parameters()
        workspace = turn.workspace if turn.workspace_id in sees else None
        return cls(
            workspace.pk if workspace else None,
            workspace.name if workspace else "",
            json.dumps(turn.filters if workspace else {}),
            json.dumps([str(each.endpoint_id) for each in kept]),
            json.dumps([each.endpoint_name for each in kept]),
            json.dumps(
                {
                    "maxTokens": parameters.max_tokens,
                    "temperature": parameters.temperature,
                    "topP": parameters.top_p,
                    "streaming": parameters.streaming,
                }
            ),
        )


@dataclass(frozen=True, slots=True)
class ShownTurn:
    turn: Turn
    lanes: tuple[Lane, ...]
    asked: AskedWith
    versions: QuestionVersions

    @property
    def has_choice(self) -> bool:
        return sum(len(lane.versions) for lane in self.lanes) > 1


@dataclass(frozen=True, slots=True)
class InContext:
    """A passage with the text around it, as blocks in which the passage is highlighted."""

    blocks: list[Block]
    is_markdown: bool
    is_cut_before: bool
    is_cut_after: bool


def _answers_for(user: User) -> QuerySet[Answer]:
    own = Prefetch("ratings", AnswerRating.objects.filter(user=user))
    answers = withholding(user, Answer.objects.all())
    return answers.prefetch_related(Prefetch("passages", passages_for(user)), own)


@dataclass(frozen=True, slots=True)
class EarlierTurns:
    """The turns of a path before those that are shown."""

    count: int
    before: UUID | None  # the first turn that is shown


@dataclass(frozen=True, slots=True)
class Path:
    """The turns of a session to show, in order."""

    session: Session
    tree: Tree
    turns: list[UUID]

    @classmethod
    def of(cls, session: Session, *, through: UUID | None = None, before: UUID | None = None) -> "Path":
        """Return the path that was shown last.

        through: the path of this turn's branch instead. before: only what is before this turn.
        Raises Http404 for an unknown turn.
        """
        tree = Tree.of(session)
        if before:
            tree.check(before)
            return cls(session, tree, tree.path(before)[:-1])
        return cls(session, tree, tree.path(tree.end_below(through) if through else None))


def present_turns(
    user: User, path: Path, limit: int | None = None, start: UUID | None = None
) -> tuple[list[ShownTurn], EarlierTurns]:
    """Return the last turns of a path with everything that the page shows of them, and those before them.

    limit: the most turns; None: all. start: a turn of the path to begin with, even if those are more than the limit.
    """
    place = max(0, len(path.turns) - (limit or len(path.turns)))
    if start in path.turns:
        place = min(place, path.turns.index(start))
    shown = path.turns[place:]
    answers = Prefetch("answers", _answers_for(user))
    found = path.session.turns.select_related("workspace").prefetch_related(answers).in_bulk(shown)
    turns = [found[each] for each in shown]
    earlier = EarlierTurns(place, shown[0] if shown else None)
    around = _Around.of(user, turns, [answer for turn in turns for answer in turn.answers.all()])
    offered = _offered_models()
    return [
        ShownTurn(
            turn,
            tuple(_lanes(turn, around)),
            AskedWith.of(turn, around.sees, offered),
            QuestionVersions.of(turn, path.tree.versions(turn.pk)),
        )
        for turn in turns
    ], earlier


def present_tools(user: User, turn: Turn) -> dict[str, Any]:
    """Return the context in which the page shows what can be done with a question."""
    sees = set(workspaces_for(user).values_list("pk", flat=True))
    return {
        "turn": turn,
        "asked": AskedWith.of(turn, sees, _offered_models()),
        "versions": QuestionVersions.of(turn, versions_of(turn)),
    }


def _offered_models() -> Collection[UUID]:
    return set(Endpoint.objects.offered(Endpoint.Kind.CHAT).values_list("pk", flat=True))


def _lanes(turn: Turn, around: "_Around") -> Iterator[Lane]:
    for _, versions in groupby(turn.answers.all(), key=lambda answer: answer.lane):
        yield Lane(tuple(_show_answer(each, turn, around) for each in versions))


def present_answer(user: User, answer: Answer) -> ShownAnswer:
    own = Prefetch("ratings", AnswerRating.objects.filter(user=user))
    prefetch_related_objects([answer], Prefetch("passages", passages_for(user)), own)
    return _show_answer(answer, answer.turn, _Around.of(user, [answer.turn], [answer]))


@dataclass(frozen=True, slots=True)
class _Around:
    """Data for showing answers, fetched once for all of them."""

    sees: Collection[UUID]  # workspaces that the user can read
    edits: Collection[UUID]  # workspaces that the user can add documents to
    search_errors: Mapping[UUID, str]
    going_on: Collection[UUID]  # answers

    @classmethod
    def of(cls, user: User, turns: Sequence[Turn], answers: Sequence[Answer]) -> "_Around":
        sees, edits = (
            set(workspaces_for(user, role).values_list("pk", flat=True))
            for role in (Role.VIEWER, Role.EDITOR)
        )
        degraded = [each.pk for each in answers if each.grounding == Answer.Grounding.DEGRADED]
        told = AnswerEvent.objects.filter(answer__in=degraded, kind="sources").order_by("seq")
        errors = {id: data.get("error", "") for id, data in told.values_list("answer", "data")}
        going_on = {found.pk for turn in turns if (found := turn.goes_on_with())}
        return cls(sees, edits, errors, going_on)


def _show_answer(answer: Answer, turn: Turn, around: _Around) -> ShownAnswer:
    withhold(answer)
    passages = answer.passages.all()
    citations = [Citation(each.number, _href(each), each.document_title) for each in passages]
    html, cited = render_cited(answer.text, citations)
    return ShownAnswer(
        answer,
        turn.text,
        turn.workspace,
        html,
        tuple(_show_passage(passage, passage.number in cited) for passage in passages),
        search_error=around.search_errors.get(answer.pk, ""),
        may_search=turn.workspace_id in around.sees,
        may_add=turn.workspace_id in around.edits,
        goes_on=answer.pk in around.going_on,
        rating=next(iter(answer.ratings.all()), None),
    )


def _show_passage(passage: AnswerPassage, is_cited: bool) -> ShownPassage:
    excerpt = without_headings(passage.text, passage.title_path).strip()  # its place names them
    if len(excerpt) > EXCERPT_CHARACTERS:
        excerpt = excerpt[:EXCERPT_CHARACTERS].rsplit(maxsplit=1)[0] + "…"
    return ShownPassage(
        passage.number, passage.document_title, place(passage), excerpt, is_cited, _href(passage)
    )


def _href(passage: AnswerPassage) -> str:
    return reverse("answer-passage", args=[passage.answer_id, passage.number])


def place(passage: AnswerPassage) -> str:
    """Return the position of a passage in its document: the two innermost headings, and the page."""
    headings = " › ".join(passage.title_path[-2:])
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(filter(None, (headings, page)))


def in_context(user: User, passage: AnswerPassage) -> InContext | None:
    """Return the passage within its section, or None if it no longer exists or the user may not read it.

    A document that changed since the answer may have other text at the same offsets. Then this returns None,
    so that the page does not highlight the wrong sentence.
    """
    section = (
        Section.objects.select_related("document")
        .exclude(document__in=hidden_from(user))
        .filter(
            document=passage.document_id,
            position=passage.section,
            document__workspace__in=workspaces_for(user),
        )
        .first()
    )
    if section is None or not is_quote(passage.text, section.text, passage.start, passage.end):
        return None
    text, headings = section.text, _end_of_headings(section, passage)
    begin, finish = passage.start - CONTEXT_CHARACTERS, passage.end + CONTEXT_CHARACTERS
    # Cut at a line break, if there is one, so that no table row is cut in half.
    begin = headings if begin <= headings else text.find("\n", begin, passage.start) + 1 or begin
    finish = len(text) if finish >= len(text) else max(text.rfind("\n", passage.end, finish), 0) or finish
    mark = (passage.start - begin, passage.end - begin)
    is_markdown = section.document.media_type == MARKDOWN.name
    return InContext(
        blocks(text[begin:finish], 0, mark, is_markdown=is_markdown),
        is_markdown,
        is_cut_before=begin > headings,
        is_cut_after=finish < len(text),
    )


def as_stored(passage: AnswerPassage) -> list[Block]:
    """Return the stored passage as blocks, without any text around it."""
    return blocks(without_headings(passage.text, passage.title_path), 0, (0, 0), is_markdown=True)


def _end_of_headings(section: Section, passage: AnswerPassage) -> int:
    """Return the offset at which the text begins after its own headings, which the page shows above it."""
    end = len(section.text) - len(without_headings(section.text, section.title_path))
    return end if end < passage.end else 0


# --- the list of sessions ------------------------------------------------------------------------


def list_sessions(user: User) -> QuerySet[Session]:
    """Return the user's sessions, pinned ones first.

    Exclude the sessions of chat completions. There is one for each request, and the client shows the
    conversation.
    """
    return listed_sessions(user).filter(preface__isnull=True)


def group_sessions(
    sessions: Iterable[Session], now: datetime | None = None
) -> list[tuple[str, list[Session]]]:
    """Group the sessions under the headings of the list, in their given order."""
    today = timezone.localdate(now)

    def heading(session: Session) -> str:
        if session.is_pinned:
            return "Pinned"
        age = today - timezone.localdate(session.updated_at)
        names = (("Today", 1), ("Yesterday", 2), ("This week", 7))
        return next((name for name, days in names if age.days < days), "Older")

    return [(name, list(group)) for name, group in groupby(sessions, heading)]
