"""docs/architecture.md lists each package and each module of a domain, and what it names exists."""

import re
from pathlib import Path

import pytest

# What every Django app has, and the edges: the layout of Django says what they are.
CONVENTIONAL = {
    "admin.py", "api.py", "apps.py", "errors.py", "forms.py", "pages.py", "serializers.py", "status_filters.py",
    "tasks.py", "urls.py", "views.py", "management/", "migrations/", "templatetags/",
}  # fmt: skip
_PAGE = (Path(__file__).resolve().parents[2] / "docs/architecture.md").read_text()
_PARTS = re.split(r"\n### `(\w+)`", _PAGE.split("\n## Rules that hold everywhere")[0])
SECTIONS = dict(zip(_PARTS[1::2], _PARTS[2::2], strict=True))


def entries(folder: Path) -> set[str]:
    """Return the modules and packages of an app, as the page writes them."""
    packages = {f"{each.parent.name}/" for each in folder.glob("*/*.py")}
    return packages | {each.name for each in folder.glob("*.py") if each.name != "__init__.py"}


def test_every_app_has_a_section(root):
    apps = {each.parent.name for each in root.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert set(SECTIONS) == apps


@pytest.mark.parametrize("app", SECTIONS)
def test_every_package_and_module_is_listed(root, app):
    assert not [name for name in entries(root / app) - CONVENTIONAL if f"`{name}" not in SECTIONS[app]]


@pytest.mark.parametrize("app", SECTIONS)
def test_what_the_tables_name_exists(root, app):
    sources = "\n".join(each.read_text() for each in (root / app).rglob("*.py"))
    rows = [line.split("|") for line in SECTIONS[app].splitlines() if line.startswith("| `")]
    files = {name for row in rows for name in re.findall(r"`([\w/]+(?:\.py|/))`", row[1])}
    assert not [name for name in files if not (root / app / name).exists()]
    doors = {
        name
        for row in rows
        for cell in row[3:]
        for name in re.findall(r"`(?:\w+\.)*(\w+)(?:\(.*?\))?`", cell)
    }
    assert not [name for name in doors if not re.search(rf"\b{name}\b", sources)]
