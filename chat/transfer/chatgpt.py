"""Reads a conversation of ChatGPT's export: a tree of messages of users, models, tools and the system.

A message of a user with text becomes a turn; what follows it up to the next ones becomes its answers. Its answer is all
that the model wrote on the way to one end: tools, hidden and system messages are on that way, too. If conversations go
on from several answers to one question, each gets a question of its own with the same text, so that no path mixes two.

The format has no specification. Its parts are those that people have reported, and that OpenAI's help describes:
https://help.openai.com/en/articles/7260999-how-do-i-export-my-chatgpt-history-and-data
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from chat.models import Answer
from core.text import storable

from .conversations import TICK, Clock, Conversation, ImportedAnswer, ImportedTurn, LeftOut, texts

MOST_VERSIONS = 40  # as many versions as a question, and its answer, may have
_MOST_CHARACTERS = 50_000_000  # of the answers of one conversation: versions repeat what they have in common
_MODEL = "ChatGPT"
# Marks of citations and other widgets, with the ids that they enclose. The second form is of earlier years.
_MARKS = re.compile(r" *(?:\ue200[^\ue200\ue201]*\ue201|\ue200[^\s\ue201]*|【\d+(?::\d+)?†[^】\n]*】)")
_STRAY = re.compile("[\ue200-\ue202]")


def without_marks(text: str) -> str:
    return _STRAY.sub("", _MARKS.sub("", text))


@dataclass(slots=True)
class _Message:
    """One node of the tree."""

    id: str
    parent: str | None
    at: datetime
    role: str = ""
    text: str = ""
    thoughts: str = ""
    model: str = ""
    finish: str = ""  # how the model's server said that it ended
    children: list[str] = field(default_factory=list)

    @property
    def is_question(self) -> bool:
        return self.role == "user" and bool(self.text)


def is_conversation(raw: Any) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("mapping"), dict)


def read_conversation(raw: Mapping[str, Any], now: datetime, left_out: LeftOut) -> Conversation | None:
    """Return the conversation, or None if it has no question. Count in `left_out` what is not in it."""
    clock = Clock(now)
    created_at = clock.after(raw.get("create_time"), clock.read(raw.get("update_time")))
    messages = _read_messages(raw["mapping"], created_at, clock, left_out)
    turns, shown = _Turns(messages, _current(raw, messages), left_out).read()
    if not turns:
        return None
    last = max(turn.at for turn in turns)
    return Conversation(
        origin=f"chatgpt {_id_of(raw)}",
        title=raw["title"] if isinstance(raw.get("title"), str) else "",
        created_at=min(created_at, turns[0].at),
        updated_at=clock.after(raw.get("update_time"), last),
        turns=turns,
        shown=shown,
    )


def _id_of(raw: Mapping[str, Any]) -> str:
    for name in ("conversation_id", "id"):
        if isinstance(raw.get(name), str) and raw[name]:
            return storable(raw[name])[:100]
    return sha256("\n".join(sorted(raw["mapping"])).encode("utf-8", "replace")).hexdigest()


# --- the tree ------------------------------------------------------------------------------------


def _read_messages(
    mapping: Mapping[str, Any], start: datetime, clock: Clock, left_out: LeftOut
) -> dict[str, _Message]:
    """Return the messages, each after its parent. A node may lack a message, a time, its parent or its children."""
    nodes = {id: node for id, node in mapping.items() if isinstance(node, dict)}
    parents = _parents(nodes)
    children: dict[str | None, list[str]] = defaultdict(list)
    for id in nodes:
        children[parents[id]].append(id)
    found: dict[str, _Message] = {}
    waiting = children[None][::-1]
    while waiting:
        id = waiting.pop()
        parent = found.get(parents[id] or "")
        raw = nodes[id].get("message")
        message = raw if isinstance(raw, dict) else {}
        at = clock.after(message.get("create_time"), parent.at if parent else start)
        found[id] = _Message(id, parents[id], at, children=children[id])
        _read_content(found[id], message, left_out)
        waiting += children[id][::-1]
    left_out["unconnected"] += sum(bool(nodes[id].get("message")) for id in nodes.keys() - found.keys())
    return found


def _parents(nodes: Mapping[str, Any]) -> dict[str, str | None]:
    said = {child: id for id, node in nodes.items() for child in texts(node.get("children"))}
    parents: dict[str, str | None] = {}
    for id, node in nodes.items():
        candidates = [node.get("parent"), said.get(id)]
        known = (each for each in candidates if isinstance(each, str) and each in nodes and each != id)
        parents[id] = next(known, None)
    return parents


def _current(raw: Mapping[str, Any], messages: Mapping[str, _Message]) -> list[str]:
    """Return the path to the message that was shown last, or else to the newest one: the first message first."""
    said = raw.get("current_node")
    newest = max(messages.values(), key=lambda each: each.at).id if messages else None
    id = said if isinstance(said, str) and said in messages else newest
    path = []
    while id:
        path.append(id)
        id = messages[id].parent
    return path[::-1]


# --- one message ---------------------------------------------------------------------------------


def _read_content(into: _Message, message: Mapping[str, Any], left_out: LeftOut) -> None:
    """Fill in what people read of a message."""
    author, content, about = (_dict(message.get(name)) for name in ("author", "content", "metadata"))
    role = author.get("role")
    if not content or role == "system":
        return
    if about.get("is_visually_hidden_from_conversation") or "editable_context" in str(
        content.get("content_type")
    ):
        left_out["hidden"] += 1
        return
    into.role = role if isinstance(role, str) else ""
    text, thoughts = _text_of(content, left_out)
    left_out["files"] += sum(_is_file(each) for each in _list(about.get("attachments")))
    if role == "tool" or (role == "assistant" and message.get("recipient", "all") not in ("all", None)):
        left_out["tools"] += 1
    elif role not in ("user", "assistant"):
        left_out["unknown"] += 1
    else:
        into.text, into.thoughts = without_marks(storable(text)).strip(), storable(thoughts).strip()
        left_out["empty"] += role == "user" and not into.text
        into.model = _string(about.get("model_slug"))
        into.finish = _string(_dict(about.get("finish_details")).get("type"))


def _text_of(content: Mapping[str, Any], left_out: LeftOut) -> tuple[str, str]:
    """Return the text of a content, and the thoughts of a thinking model."""
    match content.get("content_type"):
        case "text" | "multimodal_text":
            parts = (_part(each, left_out) for each in _list(content.get("parts")))
            return "\n\n".join(filter(None, parts)), ""
        case "code":
            code = _string(content.get("text"))
            return (f"```{_language(content)}\n{code}\n```" if code else ""), ""
        case "thoughts":
            said = (_dict(each) for each in _list(content.get("thoughts")))
            lines = (_string(each.get("content")) or _string(each.get("summary")) for each in said)
            return "", "\n\n".join(filter(None, lines))
        case "reasoning_recap" | "execution_output" | "tether_quote" | "tether_browsing_display":
            return "", ""
        case _:
            left_out["unknown"] += 1
            return "", ""


def _language(content: Mapping[str, Any]) -> str:
    said = _string(content.get("language"))
    return said if said.isalnum() and said != "unknown" else ""


def _part(part: Any, left_out: LeftOut) -> str:
    if isinstance(part, str):
        return part
    kind = _string(_dict(part).get("content_type"))
    if kind == "audio_transcription":
        return _string(part.get("text"))
    if "image" in kind:
        left_out["pictures"] += 1
        return "[image]"
    if "audio" in kind or "video" in kind:
        left_out["recordings"] += 1
        return ""
    left_out["unknown"] += 1
    return ""


def _is_file(attachment: Any) -> bool:
    """Tell whether it is a file; a picture is a part of the content, too."""
    return not _string(_dict(attachment).get("mime_type")).startswith("image/")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


# --- turns and answers ---------------------------------------------------------------------------


class _Turns:
    """Makes turns of messages. `current`: the path to the message that was shown last."""

    def __init__(self, messages: Mapping[str, _Message], current: list[str], left_out: LeftOut) -> None:
        self._messages, self._current, self._left_out = messages, current, left_out
        self._place = {id: place for place, id in enumerate(current)}
        self._below = self._below_path()
        self._room = _MOST_CHARACTERS
        self._turn_at: dict[
            str, ImportedTurn
        ] = {}  # by the message at which a turn ends: others follow there
        self._question: dict[str, str | None] = {}  # of each message: the question above it, or itself

    def read(self) -> tuple[list[ImportedTurn], str | None]:
        """Return the turns, each after the one that it follows, and the key of the last one that is shown."""
        ends: dict[str, list[_Message]] = defaultdict(list)
        for each in self._messages.values():
            above = self._question.get(each.parent) if each.parent else None
            self._question[each.id] = question = each.id if each.is_question else above
            if question is None:
                self._left_out["before_question"] += each.role == "assistant" and bool(each.text)
            elif self._is_end(each):
                ends[question].append(each)
        turns = [turn for id, found in ends.items() for turn in self._turns_of(self._messages[id], found)]
        return turns, self._shown(ends)

    def _is_end(self, message: _Message) -> bool:
        """Tell whether an answer ends here: nothing follows, or another question does."""
        follows = [self._messages[id].is_question for id in message.children if id in self._messages]
        return any(follows) or not follows

    def _turns_of(self, question: _Message, ends: list[_Message]) -> Iterator[ImportedTurn]:
        """Yield the question as one turn, or as one for each answer from which the conversation goes on."""
        going_on = [each for each in ends if any(self._messages[id].is_question for id in each.children)]
        main = self._end_on_path(ends) or going_on[0] if going_on else ends[0]
        before = self._turn_at.get(question.parent or "") or self._turn_before(question)
        at = max(question.at, before.at + TICK) if before else question.at
        self._left_out["versions"] += max(0, len(going_on) - MOST_VERSIONS)
        kept = _newest(going_on, main) or [main]
        for number, end in enumerate(kept):
            key = question.id if number == 0 else f"{question.id} {number}"
            turn = ImportedTurn(key, before.key if before else None, question.text, at + number * TICK)
            others = [each for each in ends if each not in going_on]
            is_main = end is main if main in kept else number == 0
            self._add_answers(turn, [end, *others] if is_main else [end])
            self._turn_at |= {each.id: turn for each in ([*ends, end] if number == 0 else [end])}
            if is_main:
                self._turn_at |= {each.id: turn for each in others}
            yield turn

    def _turn_before(self, question: _Message) -> ImportedTurn | None:
        """Return the turn that the question follows: it may be above messages that are no end."""
        id = question.parent
        while id and id not in self._turn_at:
            id = self._messages[id].parent
        return self._turn_at[id] if id else None

    def _add_answers(self, turn: ImportedTurn, ends: list[_Message]) -> None:
        ends = list({each.id: each for each in ends}.values())
        self._left_out["versions"] += max(0, len(ends) - MOST_VERSIONS)
        shown, chosen = self._end_on_path(ends), None
        for end in _newest(ends, shown):
            if answer := self._answer(turn, end):
                turn.answers.append(answer)
                chosen = answer if end is shown else chosen
        turn.answers.sort(key=lambda answer: answer.at)
        if chosen and len(turn.answers) > 1:  # later than all, so that it is in front
            chosen.chosen_at = max(answer.at for answer in turn.answers) + TICK

    def _answer(self, turn: ImportedTurn, end: _Message) -> ImportedAnswer | None:
        """Return what the model wrote on the way to this end; None if it wrote nothing."""
        way = self._way(end)
        text = "\n\n".join(each.text for each in way if each.text)
        self._room -= len(text)
        if not text or self._room < 0:
            self._left_out["versions"] += bool(text)
            return None
        last = next(each for each in reversed(way) if each.text)
        at = max(way[0].at, turn.at + (len(turn.answers) + 1) * TICK)
        return ImportedAnswer(
            text=text,
            model=last.model or _MODEL,
            at=at,
            ended_at=max(last.at, at),
            status=Answer.Status.STOPPED if last.finish == "interrupted" else Answer.Status.FINISHED,
            finish_reason="length" if last.finish == "max_tokens" else "stop",
            thinking="\n\n".join(each.thoughts for each in way if each.thoughts),
        )

    def _way(self, end: _Message) -> list[_Message]:
        """Return the messages of models between the question and this end."""
        way, id = [], end.id
        while id != self._question[end.id]:
            each = self._messages[id]
            way.append(each)
            id = each.parent or ""
        return [each for each in reversed(way) if each.role == "assistant" and (each.text or each.thoughts)]

    def _end_on_path(self, ends: list[_Message]) -> _Message | None:
        """Return the end that the path passes, or that is below the path's own end."""
        passed = [each for each in ends if each.id in self._place]
        if passed:
            return max(passed, key=lambda each: self._place[each.id])
        return next((each for each in ends if each.id in self._below), None)

    def _below_path(self) -> set[str]:
        """Return the messages below the end of the path, as far as the next questions."""
        below, waiting = set[str](), self._current[-1:]
        while waiting:
            id = waiting.pop()
            below.add(id)
            children = (self._messages[each] for each in self._messages[id].children)
            waiting += [each.id for each in children if not each.is_question]
        return below

    def _shown(self, ends: Mapping[str, list[_Message]]) -> str | None:
        """Return the key of the turn that ends the path."""
        for id in reversed(self._current):
            question = self._question.get(id)
            if question is not None:
                end = self._end_on_path(ends[question]) or ends[question][0]
                return self._turn_at[end.id].key
        return None


def _newest(ends: list[_Message], shown: _Message | None) -> list[_Message]:
    """Return the last ends, at most MOST_VERSIONS, and this one among them if it is one."""
    kept = ends[-MOST_VERSIONS:]
    return kept if shown is None or shown in kept or shown not in ends else [shown, *kept[1:]]
