"""The request for an answer: the question with its model, workspace, filters and conversation history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import Http404

from chat.errors import CannotBegin
from chat.log.events import SourcePassage
from chat.models import Answer, AnswerPassage, Turn
from documents.doors import where_for
from inference.continuation import resume_point
from models_registry.models import Endpoint
from workspaces.access import workspace_for
from workspaces.engines import ANYWHERE, Where
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

from .history import Exchange, History, without_withheld
from .imported_history import ImportedHistory
from .withholding import WITHHELD, hidden_passages_from

# What a trace tells of the call, not of the search
_OF_THE_CALL = frozenset(
    (
        "condensed",
        "finish_reason",
        "history",
        "left_out",
        "prompt",
        "prompt_tokens",
        "summary",
        "thinking",
        "thinking_s",
    )
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The sampling parameters that users may choose."""

    max_tokens: int = 512  # 1 to 8192
    temperature: float = 0.1  # 0 to 2
    top_p: float = 1.0  # 0 to 1
    streaming: bool = True


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an answer takes over from the cut answer that it continues: its text, its passages and their search."""

    text: str
    grounding: str
    sources: Sequence[SourcePassage]  # under the same numbers
    trace: Mapping[str, Any]  # of the search


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    text: str
    endpoint: Endpoint
    parameters: Parameters = Parameters()
    workspace: Workspace | None = None
    where: Where = ANYWHERE  # which of the workspace's documents to search
    history: Sequence[Exchange] = ()  # oldest first
    summary: str = ""  # of the messages before the history
    instructions: str = ""  # the client's system prompt, appended to ours
    fresh: bool = False  # bypass the search cache
    beginning: Beginning | None = None  # nothing is searched: the answer goes on with these passages


def build_request(answer: Answer, history: History) -> AnswerRequest:
    """Return the request for an answer. Raises CannotBegin.

    It queries the database if the turn has a workspace or its history may hold documents.
    """
    turn = answer.turn
    if answer.endpoint is None:
        raise CannotBegin(f"The model {answer.endpoint_name} was removed: choose another one.")
    try:  # check access again: it may have changed while the question waited in the queue
        workspace = workspace_for(turn.session.owner, turn.workspace_id) if turn.workspace_id else None
        where = where_for(turn.session.owner, workspace, turn.filters) if workspace else ANYWHERE
    except (Http404, InvalidValue) as error:
        raise CannotBegin(str(error)) from error
    parameters = Parameters(**answer.parameters)
    question = build_bare_request(turn, answer.endpoint, without_withheld(turn.session, history))
    beginning = _beginning_of(answer.continues) if answer.continues else None
    return replace(question, parameters=parameters, workspace=workspace, where=where, beginning=beginning)


def _beginning_of(cut: Answer) -> Beginning:
    """Return what is kept of an answer that was cut. Raises CannotBegin if its owner may not see it any more."""
    if hidden_passages_from(cut.turn.session.owner).filter(answer=cut).exists():
        raise CannotBegin(WITHHELD)
    search = {name: value for name, value in cut.trace.items() if name not in _OF_THE_CALL}
    return Beginning(resume_point(cut.text), cut.grounding, [*map(_as_source, cut.passages.all())], search)


def _as_source(passage: AnswerPassage) -> SourcePassage:
    return {
        "number": passage.number,
        "document_id": str(passage.document_id or ""),
        "title": passage.document_title,
        "title_path": passage.title_path,
        "page": passage.page,
        "text": passage.text,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
    }


def build_bare_request(turn: Turn, endpoint: Endpoint, history: History) -> AnswerRequest:
    """Return the request without its workspace. It never queries the database."""
    preface = ImportedHistory.from_json(turn.session.preface)
    return AnswerRequest(
        turn.text,
        endpoint,
        history=[*preface.exchanges, *history.exchanges],
        summary=history.summary,
        instructions=preface.instructions,
        fresh=not turn.session.keeps_words,  # what is found is cached otherwise
    )
