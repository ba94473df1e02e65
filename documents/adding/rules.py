"""What commands say of documents, for all of them and by where files lie: `--set` and `--rule`."""

import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from accounts.models import User
from documents.fields.metadata import MetadataChange, parse_change
from workspaces.engines import Value
from workspaces.errors import InvalidValue
from workspaces.models import Workspace


def add_set_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="said",
        help="what is known of all of them: a field of the workspace, or access_level; may be given several times",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """Pattern and what it says, in the order they were given; later ones go before earlier ones."""

    rules: tuple[tuple[str, MetadataChange], ...] = ()

    @classmethod
    def read(
        cls, workspace: Workspace, user: User | None, said: Sequence[str], rules: Sequence[str] = ()
    ) -> "Rules":
        """Return the rules. said: "field=value". rules: "pattern: field=value, field=value". Raises BadValue."""
        listed = [("*", each) for each in said]
        for rule in rules:
            pattern, colon, told = rule.partition(":")
            if not colon or not pattern.strip():
                raise InvalidValue(
                    f"The rule {rule!r} has no pattern. Write 'contracts/**: department=legal'."
                )
            listed += [(pattern.strip(), each) for each in _parts(told)]
        return cls(tuple((pattern, _about(workspace, user, each)) for pattern, each in listed))

    def of(self, path: str) -> MetadataChange:
        """Return what is said of a file at this path, from its folder on and with slashes; "": of no file."""
        metadata: dict[str, Value | None] = {}
        level: int | None = None
        for pattern, each in self.rules:
            if pattern == "*" or fnmatchcase(path, pattern):
                metadata |= each.metadata
                level = level if each.access_level is None else each.access_level
        return MetadataChange(metadata, level)


def _parts(told: str) -> list[str]:
    """Return the parts between commas; quotes keep a comma in a value."""
    lexer = shlex.shlex(told, posix=True)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = ",", True, ""
    try:
        return [each.strip() for each in lexer]
    except ValueError as error:
        raise InvalidValue(f"{told.strip()!r} has a quote that does not end.") from error


def _about(workspace: Workspace, user: User | None, pair: str) -> MetadataChange:
    name, equals, value = (each.strip() for each in pair.partition("="))
    if not equals or not value:
        raise InvalidValue(f"{pair!r} says nothing: write field=value, as in department=legal.")
    if name == "access_level":
        return parse_change(workspace, user, access_level=value)
    return parse_change(workspace, user, {name: value})
