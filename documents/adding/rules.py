"""The metadata options of commands: `--set` applies to all documents, `--rule` to files by their path."""

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
        help="metadata for all of them: a field of the workspace, or access_level; can be given several times",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """Path patterns with their metadata changes, in the order given; later rules override earlier ones."""

    rules: tuple[tuple[str, MetadataChange], ...] = ()

    @classmethod
    def read(
        cls, workspace: Workspace, user: User | None, said: Sequence[str], rules: Sequence[str] = ()
    ) -> "Rules":
        """Return the rules. Raises InvalidValue.

        said: "field=value". rules: "pattern: field=value, field=value".
        """
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
        """Return the change for a file. path: relative to its folder, with slashes; "": there is no file."""
        metadata: dict[str, Value | None] = {}
        level: int | None = None
        for pattern, each in self.rules:
            if pattern == "*" or fnmatchcase(path, pattern):
                metadata |= each.metadata
                level = level if each.access_level is None else each.access_level
        return MetadataChange(metadata, level)


def _parts(told: str) -> list[str]:
    """Return the parts between commas. Quotes protect a comma inside a value."""
    lexer = shlex.shlex(told, posix=True)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = ",", True, ""
    try:
        return [each.strip() for each in lexer]
    except ValueError as error:
        raise InvalidValue(f"{told.strip()!r} has an unclosed quote.") from error


def _about(workspace: Workspace, user: User | None, pair: str) -> MetadataChange:
    name, equals, value = (each.strip() for each in pair.partition("="))
    if not equals or not value:
        raise InvalidValue(f"{pair!r} is incomplete: write field=value, as in department=legal.")
    if name == "access_level":
        return parse_change(workspace, user, access_level=value)
    return parse_change(workspace, user, {name: value})
