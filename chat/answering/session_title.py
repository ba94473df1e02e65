"""Titles of sessions: after the first answer, a model finds a title in place of the question's first words.

A title waits in the row of the session's summary, so it has the same place in the queue, claim and bill
(chat.answering.session_summary). A session gets one call at most. What a person has written stays, also if they write it
while the model works; and what is no title leaves the question's words.

A title stays where an answer is withheld later. So the model reads no answer that rests on documents.
"""

import json
import logging
import re
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from chat.models import Answer, Session, Summary, Turn
from core.db.threads import to_thread
from core.text import one_line
from inference.errors import InferenceError
from inference.thinking import without_thinking
from models_registry.completion import Completion
from models_registry.errors import EndpointError
from models_registry.models import Endpoint

from . import prompts
from .branches import Tree
from .session_summary import bill, claimed_row, put_back, write_summary

logger = logging.getLogger(__name__)

TITLE_TOKENS = 100  # of the call; a longer reply is no title
MOST_CHARACTERS, MOST_WORDS = 80, 12
_READ_CHARACTERS = 1_500  # of the question, and of the answer
MAX_CLAIMS = 5  # then the title is given up, because writing it may be what kills the process

_FENCE = re.compile(r"^```\w*\s*|\s*```$")
_LABEL = re.compile(
    r"^(?:title|titel|titre|t[ií]tulo|titolo|otsikko|название|заголовок|标题|標題|タイトル|제목)\s*[:：]\s*",
    re.IGNORECASE,
)
_AROUND = " \t\"'`*_#“”„‟‘’‚«»‹›「」『』《》〈〉（）"
_ENDS = ".。．"


# --- scheduling ----------------------------------------------------------------------------------


def may_be_due(answer: Answer) -> bool:
    """Return whether this answer can be the reason for a title: one to a first question, of a model that can write."""
    turn, endpoint = answer.turn, answer.endpoint
    is_first = turn.parent_id is None and answer.message_id is None and turn.session.preface is None
    return settings.TITLES and is_first and endpoint is not None and endpoint.can_write


def enqueue_title(session_id: UUID, endpoint: Endpoint) -> None:
    """Enqueue the session's title, unless it has one or a model was asked already. Idempotent."""
    if not Session.objects.filter(pk=session_id, naming=Session.Naming.OPEN).exists():
        return
    Summary.objects.get_or_create(pk=session_id)
    is_free = Q(status__in=(Summary.Status.IDLE, Summary.Status.QUEUED)) | Q(lease_until__lt=Now())
    waiting = {"status": Summary.Status.QUEUED, "queued_at": Now(), "is_title_due": True}
    due = Summary.objects.filter(is_free, pk=session_id, is_title_due=False)
    due.update(endpoint=_configured() or endpoint, **waiting)


def _configured() -> Endpoint | None:
    """Return the model that the operator chose for titles, if there is one that can write."""
    if not settings.TITLE_MODEL:
        return None
    found = Endpoint.objects.offered(Endpoint.Kind.CHAT).filter(name=settings.TITLE_MODEL).first()
    if found is None or not found.can_write:
        logger.warning("RAGSITE_TITLE_MODEL=%s is no model that can write titles.", settings.TITLE_MODEL)
        return None
    return found


# --- writing -------------------------------------------------------------------------------------


async def write_title_and_summary(summary: Summary) -> None:
    """Write what a claimed row owes its session: a title, then a summary."""
    if summary.is_title_due:
        await _write_title(summary)
    await write_summary(summary)


async def _write_title(summary: Summary) -> None:
    """Find and store a title. If cancelled, put it back into the queue."""
    call, title = None, ""
    try:
        if call := await to_thread(_open_call)(summary):
            title = read_title(await call.run())
            if call.usage().output_tokens >= TITLE_TOKENS:
                title = ""  # a model that still thinks, or tells a story
    except (InferenceError, EndpointError) as problem:
        logger.info("The title of session %s was not written: %s", summary.pk, problem)
    except Exception:
        logger.exception("The title of session %s failed", summary.pk)
    except BaseException:  # cancelled: the process shuts down
        await to_thread(put_back)(summary, call)
        raise
    await to_thread(_finish)(summary, call, title)


def _open_call(summary: Summary) -> Completion | None:
    """Return the model call for the title. Return None if there is nothing to ask, or no one to ask."""
    turn = _first_turn(summary)
    if turn is None or summary.endpoint is None or summary.fence > MAX_CLAIMS:
        return None
    answer = turn.goes_on_with()
    is_free = answer is not None and answer.grounding == Answer.Grounding.NONE and turn.workspace_id is None
    words = answer.text[:_READ_CHARACTERS] if answer and is_free else ""
    return Completion(summary.endpoint, prompts.titling(turn.text[:_READ_CHARACTERS], words), TITLE_TOKENS)


def _first_turn(summary: Summary) -> Turn | None:
    """Return the first turn on the screen, if the session still waits for a title."""
    session = Session.objects.filter(pk=summary.pk, naming=Session.Naming.OPEN).first()
    path = Tree.of(session).path() if session else []
    return Turn.objects.prefetch_related("answers").filter(pk__in=path[:1]).first()


def read_title(reply: str) -> str:
    """Return the title in a model's reply, without what models put around it; "" if the reply is no title."""
    text = _from_json(_FENCE.sub("", without_thinking(reply).strip()))
    lines = [line for line in map(one_line, text.splitlines()) if line]
    if len(lines) != 1:
        return ""  # a story, or thoughts
    title = _bare(_LABEL.sub("", _bare(lines[0])))
    is_title = title and len(title) <= MOST_CHARACTERS and len(title.split()) <= MOST_WORDS
    return title if is_title and any(map(str.isalnum, title)) and not re.search(r"[{}<>]", title) else ""


def _bare(text: str) -> str:
    """Return the text without quotation marks and a full stop around it; "U.S." keeps its dots."""
    text = text.strip(_AROUND)
    return text.rstrip(_ENDS).strip(_AROUND) if text.count(".") < 2 else text


def _from_json(text: str) -> str:
    """Return the title in {"title": "..."} or ["..."], or the text if it is no JSON; "" for other JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, dict):
        found = found.get("title") or next(iter(found.values()), "")
    if isinstance(found, list):
        found = next(iter(found), "")
    return found if isinstance(found, str) else text if isinstance(found, int | float) else ""


@transaction.atomic
def _finish(summary: Summary, call: Completion | None, title: str) -> None:
    """Store the title, unless a person has given one meanwhile, and keep the claim for the summary."""
    if claimed_row(summary).update(is_title_due=False):
        named = {"title": title} if title else {}
        waiting = Session.objects.filter(pk=summary.pk, naming=Session.Naming.OPEN)
        waiting.update(naming=Session.Naming.SETTLED, **named)
    bill(summary, call)
