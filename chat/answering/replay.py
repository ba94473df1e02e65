"""Replays an answer: searches again and compares the new prompt with the old one, byte for byte.

The replay runs the pipeline of the answer itself, up to the point where it would call the model. It uses the
same question, the same earlier exchanges and summary, and the current documents and settings. It stores
nothing and generates no answer. If query rewriting is on, it calls the rewriting model again, which may
return other words.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from difflib import unified_diff
from itertools import islice
from typing import Any

from chat.errors import CannotBegin, CannotReplay, PromptTooLong
from chat.log.events import SourcePassage, Sources
from chat.models import Answer
from core.waiting import wait_for
from documents.doors import Scope, describe_changes
from inference.errors import InferenceError
from models_registry.errors import EndpointError

from .answer import Traced, answer
from .answer_request import AnswerRequest, build_request
from .history import History, load_exchanges, load_history

MAX_DIFFERENT_LINES = 200


@dataclass(frozen=True, slots=True)
class Replay:
    differences: tuple[str, ...]  # sentences on the passages and the prompt; empty if the prompt is the same
    causes: tuple[str, ...]  # sentences on what has changed since
    changed_lines: tuple[str, ...]  # of the prompt, as a unified diff
    prompt: tuple[Mapping[str, str], ...]  # as it would be sent now; empty if no model would be called

    @property
    def is_same(self) -> bool:
        return not self.differences

    @property
    def size(self) -> int:
        """The size of the prompt in bytes."""
        return sum(len(each["text"].encode()) for each in self.prompt)


def replay(of: Answer) -> Replay:
    """Return the result of running the answer's search now. Raises CannotReplay.

    An answer that continues a cut one has made no search: that of the first one is run.
    """
    while of.continues:
        of = of.continues
    if not of.trace:
        raise CannotReplay("This answer has no trace, so it cannot be replayed.")
    try:
        question = replace(_question_again(of), fresh=True)
        grounding, passages, trace = wait_for(_prepare_again, of.turn.session.user_id)(question)
    except (CannotBegin, InferenceError, EndpointError, PromptTooLong) as error:
        raise CannotReplay(f"This answer cannot be replayed now. {error}") from error
    then, now = of.trace.get("prompt", []), trace.get("prompt", [])
    differences = list(_differences(of, grounding, passages))
    if not differences and then != now:
        differences.append("The passages are the same, but the text around them differs.")
    return Replay(
        differences=tuple(differences),
        causes=tuple(_causes(of, question, trace)) if differences else (),
        changed_lines=tuple(islice(_diff_lines(then, now), MAX_DIFFERENT_LINES)),
        prompt=tuple(now),
    )


def _question_again(of: Answer) -> AnswerRequest:
    if "history" not in of.trace:  # an earlier version of Ragsite wrote this answer
        return build_request(of, load_history(of.turn))
    return build_request(of, History(load_exchanges(of.trace["history"]), of.trace["summary"]))


async def _prepare_again(question: AnswerRequest) -> tuple[str, list[SourcePassage], dict[str, Any]]:
    """Return the grounding, the passages and the trace that the answer would have now."""
    grounding, passages = str(Answer.Grounding.NONE), list[SourcePassage]()
    async with aclosing(answer(question)) as events:
        async for event in events:
            match event:
                case Sources():
                    grounding, passages = event.grounding, event.passages
                case Traced(trace):
                    return grounding, passages, trace
    raise AssertionError("an answer has a trace")


def _differences(of: Answer, grounding: str, passages: Sequence[Mapping[str, Any]]) -> list[str]:
    if grounding != of.grounding:
        ends = f"{of.get_grounding_display()} then, {Answer.Grounding(grounding).label} now"
        return [f"The search had another result: {ends}."]
    then = [(each.document_title, each.text) for each in of.passages.all()]
    now = [(each["title"], each["text"]) for each in passages]
    said = [f"No longer found: {_passage_name(each, then)}." for each in then if each not in now]
    said += [f"New: {_passage_name(each, now)}." for each in now if each not in then]
    if [each for each in then if each in now] != [each for each in now if each in then]:
        said.append("The remaining passages are in another order.")
    return said


def _passage_name(passage: tuple[str, str], among: Sequence[tuple[str, str]]) -> str:
    return f"[{among.index(passage) + 1}] from {passage[0]}"


def _causes(of: Answer, question: AnswerRequest, now: Mapping[str, Any]) -> list[str]:
    causes = []
    if question.workspace is not None:
        kept = of.trace.get("circumstances", {})
        causes = describe_changes(
            kept, Scope(question.workspace, question.where), of.started_at or of.created_at
        )
    elif "circumstances" in of.trace:
        causes.append("The workspace of the question was deleted.")
    if _rewritten_query(now) != _rewritten_query(of.trace):
        causes.append("The language model rewrote the follow-up question differently this time.")
    return causes or [
        "The trace does not explain it. An update of Ragsite or of a model's server may be the cause."
    ]


def _rewritten_query(trace: Mapping[str, Any]) -> str:
    return str((trace.get("condensed") or {}).get("question", ""))


def _diff_lines(then: Sequence[Mapping[str, str]], now: Sequence[Mapping[str, str]]) -> Iterator[str]:
    lines = unified_diff(_lines(then), _lines(now), "then", "now", n=1, lineterm="")
    return islice(lines, 2, None)  # skip the two header lines with the file names


def _lines(prompt: Sequence[Mapping[str, str]]) -> list[str]:
    return [line for each in prompt for line in (f"# {each['role']}", *each["text"].splitlines())]
