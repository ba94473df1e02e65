"""Generates the TypeScript declarations of the log's events, which the page's scripts use.

Regenerate them: python -m chat.log.javascript_types > types/events.d.ts
"""

import sys
from collections.abc import Iterator
from dataclasses import fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from .events import EVENTS, TERMINAL, Event

_HEAD = "// Generated from chat/log/events.py by: python -m chat.log.javascript_types > types/events.d.ts\n"
_LOGGED = """\
/** An event as the socket sends it. */
type LoggedEvent = { [Kind in keyof EventData]: { seq: number; kind: Kind; data: EventData[Kind] } }[keyof EventData];
"""
_TYPES = {int: "number", float: "number", str: "string", bool: "boolean", NoneType: "null"}


def declarations() -> str:
    """Return the content of types/events.d.ts."""
    shapes = dict.fromkeys(shape for event in EVENTS.values() for shape in _typed_dicts_of(event))
    parts = (_HEAD, *map(_interface, shapes), _event_data(), _terminal_kind(), _LOGGED)
    return "\n".join(parts)


def _typed_dicts_of(event: type[Event]) -> Iterator[type]:
    """Yield the typed dictionaries that occur in an event's fields."""
    for hint in get_type_hints(event).values():
        yield from (each for each in (hint, *get_args(hint)) if is_typeddict(each))


def _interface(shape: type) -> str:
    lines = (f"  {name}: {_typescript(hint)};\n" for name, hint in get_type_hints(shape).items())
    return f"interface {shape.__name__} {{\n{''.join(lines)}}}\n"


def _event_data() -> str:
    lines = (f"  {kind}: {_data_type(event)};\n" for kind, event in EVENTS.items())
    return f"/** The data of each kind of event. */\ninterface EventData {{\n{''.join(lines)}}}\n"


def _data_type(event: type[Event]) -> str:
    """Return the type of an event's data in one line, such as { grounding: string; error?: string }."""
    hints = get_type_hints(event)
    found = [_field(each.name, hints[each.name]) for each in fields(event)]  # type: ignore[arg-type]
    return f"{{ {'; '.join(found)} }}" if found else "Record<string, never>"


def _field(name: str, hint: Any) -> str:
    """Return the declaration of a field. One that may be None is optional: Event.data leaves out None."""
    types = [each for each in get_args(hint) if each is not NoneType]
    if NoneType in get_args(hint):
        return f"{name}?: {' | '.join(map(_typescript, types))}"
    return f"{name}: {_typescript(hint)}"


def _terminal_kind() -> str:
    kinds = " | ".join(f'"{kind}"' for kind in EVENTS if kind in TERMINAL)
    return f"/** The last event of an answer has one of these kinds. */\ntype TerminalKind = {kinds};\n"


def _typescript(hint: Any) -> str:
    """Return the TypeScript type for a Python type. Raises KeyError if there is no translation yet."""
    if is_typeddict(hint):
        return str(hint.__name__)
    if get_origin(hint) is list:
        return f"{_typescript(*get_args(hint))}[]"
    if get_origin(hint) is Literal:
        return " | ".join(f'"{value}"' for value in get_args(hint))
    if parts := get_args(hint):
        return " | ".join(map(_typescript, parts))
    return _TYPES[hint]


if __name__ == "__main__":
    sys.stdout.write(declarations())
