"""Writes small Outlook messages: the compound file format of [MS-CFB], with all streams in the mini stream."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTOR, _MINI, _NONE, _END = 512, 64, 0xFFFFFFFF, 0xFFFFFFFE
_STORAGE, _STREAM, _ROOT = 1, 2, 5

Tree = Mapping[str, "bytes | Tree"]


@dataclass
class _Entry:
    name: str
    kind: int
    data: bytes = b""
    right: int = _NONE
    child: int = _NONE
    start: int = _END


@dataclass
class _File:
    entries: list[_Entry] = field(default_factory=lambda: [_Entry("Root Entry", _ROOT)])
    mini: bytearray = field(default_factory=bytearray)
    mini_fat: list[int] = field(default_factory=list)


def message(subject: str, body: str, *attachments: tuple[str, bytes | None]) -> bytes:
    """Return a message with attachments, each a file name and its content; None: a message within the message."""
    tree: dict[str, bytes | Tree] = {
        "__properties_version1.0": bytes(32),
        "__substg1.0_001A001F": "IPM.Note".encode("utf-16-le"),
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_1000001F": body.encode("utf-16-le"),
    }
    for number, (name, content) in enumerate(attachments):
        tree[f"__attach_version1.0_#{number:08X}"] = {
            "__properties_version1.0": bytes(8),
            **({"__substg1.0_3701000D": {}} if content is None else {"__substg1.0_37010102": content}),
            "__substg1.0_3707001F": name.encode("utf-16-le"),
        }
    return _written(tree)


def _written(tree: Tree) -> bytes:
    file = _File()
    file.entries[0].child = _add(file, tree)
    file.entries[0].start, file.entries[0].data = 0, bytes(file.mini)
    directory = b"".join(map(_directory_entry, file.entries))
    directory += bytes(-len(directory) % _SECTOR)
    mini_fat = struct.pack(f"<{len(file.mini_fat)}I", *file.mini_fat)
    mini_fat += b"\xff" * (-len(mini_fat) % _SECTOR)
    mini = bytes(file.mini) + bytes(-len(file.mini) % _SECTOR)
    parts = [mini, directory, mini_fat]
    starts, fat = [], []
    for part in parts:
        starts.append(len(fat))
        sectors = len(part) // _SECTOR
        fat += [*range(len(fat) + 1, len(fat) + sectors), _END]
    fat_at = len(fat)
    assert fat_at < _SECTOR // 4, "more than one sector of FAT"
    fat += [0xFFFFFFFD] + [_NONE] * (_SECTOR // 4 - fat_at - 1)
    header = struct.pack(
        "<8s16x5H6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, starts[1], 0, 4096,
        starts[2], len(mini_fat) // _SECTOR, _END, 0,
    )  # fmt: skip
    difat = struct.pack("<109I", fat_at, *[_NONE] * 108)
    return header + difat + b"".join(parts) + struct.pack(f"<{_SECTOR // 4}I", *fat)


def _add(file: _File, tree: Tree) -> int:
    """Add the entries of a storage as a chain of right siblings, in the order of the format. Return the first."""
    first = previous = _NONE
    for name, content in sorted(tree.items(), key=lambda each: (len(each[0]), each[0].upper())):
        number = len(file.entries)
        file.entries.append(_Entry(name, _STREAM if isinstance(content, bytes) else _STORAGE))
        if isinstance(content, bytes):
            _put(file, file.entries[number], content)
        else:
            file.entries[number].start = 0
            file.entries[number].child = _add(file, content)
        if previous == _NONE:
            first = number
        else:
            file.entries[previous].right = number
        previous = number
    return first


def _put(file: _File, entry: _Entry, data: bytes) -> None:
    assert len(data) < 4096, "it belongs into the mini stream"
    entry.data = data
    if data:
        entry.start = len(file.mini_fat)
        count = -(-len(data) // _MINI)
        file.mini_fat += [*range(entry.start + 1, entry.start + count), _END]
        file.mini += data + bytes(-len(data) % _MINI)


def _directory_entry(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16xI16xIQ", name, len(name), entry.kind, 1, _NONE, entry.right, entry.child, 0, entry.start,
        len(entry.data),
    )  # fmt: skip
