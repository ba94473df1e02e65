"""The types that the page's scripts declare match the events and the frames of the server."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from chat.log.javascript_types import declarations
from chat.socket import frames

CLIENT_FRAME_PARTS = (
    *(frames.RunData, frames.RegenerateData, frames.FollowData, frames.AckData, frames.StopData),
    frames.ModelKwargs,
)


def test_the_scripts_declare_the_events_of_the_log(root: Path):
    written = (root / "types" / "events.d.ts").read_text()
    assert written == declarations(), (
        "types/events.d.ts no longer matches chat/log/events.py. Regenerate it: "
        "python -m chat.log.javascript_types > types/events.d.ts"
    )


@pytest.mark.parametrize("model", CLIENT_FRAME_PARTS, ids=lambda model: model.__name__)
def test_the_scripts_declare_the_frames_that_the_socket_accepts(root: Path, model: type[BaseModel]):
    declared = _fields((root / "types" / "frames.d.ts").read_text(), model.__name__)
    accepted = {each.alias: each.is_required() for each in model.model_fields.values()}
    assert declared == accepted, (
        f"{model.__name__} in types/frames.d.ts does not match chat/socket/frames.py."
    )


def test_the_scripts_declare_every_action(root: Path):
    data = {each.model_fields["data"].annotation for each in frames.Frame.__args__}
    actions = {each.model_fields["action"].annotation.__args__[0] for each in frames.Frame.__args__}
    assert _fields((root / "types" / "frames.d.ts").read_text(), "ClientFrameData").keys() == actions
    assert data < set(CLIENT_FRAME_PARTS)


def _fields(declared: str, interface: str) -> dict[str, bool]:
    """Return the fields of an interface, and for each whether it is required."""
    body = re.search(rf"^interface {interface} \{{\n(.*?)^\}}", declared, re.MULTILINE | re.DOTALL)
    assert body
    found = re.findall(r"^  (\w+)(\??):", body.group(1), re.MULTILINE)
    return {name: not optional for name, optional in found}
