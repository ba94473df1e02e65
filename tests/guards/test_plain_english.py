"""The text of the project is plain English: few of the words that marked its earlier private dialect."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

MOST_PER_THOUSAND = 2
_MARKERS = re.compile(r"\b(?:whoever|nobody|somebody|what is|anew|beside)\b", re.IGNORECASE)
_SCRIPT_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_NOT_OURS = {".venv", ".git", ".ragsite", "node_modules", "build"}


def test_marker_words_are_rare(root: Path) -> None:
    words, markers = 0, list[str]()
    for path in _files(root):
        text = "\n".join(_prose(path))
        words += len(text.split())
        markers += [f"{path.relative_to(root)}: {each.group()}" for each in _MARKERS.finditer(text)]
    assert words > 50_000
    assert len(markers) / words * 1000 <= MOST_PER_THOUSAND, "\n".join(markers)


def test_the_words_are_counted_in_comments_docstrings_and_pages(tmp_path: Path) -> None:
    texts = {
        "a.py": '"""Nobody."""\nX = "nobody"  # nobody\n\ndef f():\n    """What is it?"""\n',
        "b.js": 'say("nobody"); // anew\n/* Beside\n it */',
        "c.html": "<p>Somebody</p>",
        "d.md": "whoever",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    counts = {path.name: len(_MARKERS.findall("\n".join(_prose(path)))) for path in _files(tmp_path)}
    assert counts == {"a.py": 3, "b.js": 2, "c.html": 1, "d.md": 1}


def _files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*.*"):
        if path.suffix in _PROSE and path.is_file() and not _NOT_OURS & set(path.relative_to(root).parts):
            yield path


def _prose(path: Path) -> Iterator[str]:
    """Yield the text that people wrote for people in a file: comments, docstrings, or all of a page."""
    return _PROSE[path.suffix](path.read_text())


def _python_prose(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED):
            yield ast.get_docstring(node) or ""


_PROSE = {
    ".py": _python_prose,
    ".js": lambda source: iter(_SCRIPT_COMMENT.findall(source)),
    ".html": lambda source: iter([source]),
    ".md": lambda source: iter([source]),
}
