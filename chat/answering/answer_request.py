"""What is to be answered: a turn's question with what its model, its workspace and its session bring along."""

from dataclasses import replace

from django.http import Http404

from chat.errors import CannotBegin
from chat.models import Answer, Turn
from documents.doors import where_for
from models_registry.models import Endpoint
from workspaces.access import workspace_for
from workspaces.engines import ANYWHERE
from workspaces.errors import InvalidValue

from .answer import AnswerRequest, Parameters
from .history import History
from .imported_history import ImportedHistory


def build_request(answer: Answer, history: History) -> AnswerRequest:
    """Return what is to be answered. Asks the database if it is about a workspace."""
    turn = answer.turn
    if answer.endpoint is None:
        raise CannotBegin(f"The model {answer.endpoint_name} was removed: choose another one.")
    try:  # again, because the question may have waited
        workspace = workspace_for(turn.session.user, turn.workspace_id) if turn.workspace_id else None
        where = where_for(turn.session.user, workspace, turn.filters) if workspace else ANYWHERE
    except (Http404, InvalidValue) as error:
        raise CannotBegin(str(error)) from error
    parameters = Parameters(**answer.parameters)
    question = build_bare_request(turn, answer.endpoint, history)
    return replace(question, parameters=parameters, workspace=workspace, where=where)


def build_bare_request(turn: Turn, endpoint: Endpoint, history: History) -> AnswerRequest:
    """Return it as it is without a workspace. Asks no database."""
    preface = ImportedHistory.from_json(turn.session.preface)
    return AnswerRequest(
        turn.text,
        endpoint,
        history=[*preface.exchanges, *history.exchanges],
        summary=history.summary,
        instructions=preface.instructions,
    )
