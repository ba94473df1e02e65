"""What the files of the project promise each other."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.forms import UserCreationForm
from django.core.management import call_command

# Set by us for our own processes, or by other programs.
NOT_FOR_PEOPLE = {"RAGSITE_EMBEDDED_IN", "RAGSITE_TEST_DIR"}


@pytest.mark.django_db
def test_the_migrations_are_those_of_the_models():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_variable_that_is_read_is_documented_and_the_other_way_round(root: Path):
    code = "".join(path.read_text() for path in (root / "ragsite").rglob("*.py"))
    page = (root / "docs" / "configuration.md").read_text()
    name = re.compile(r"\bRAGSITE_[A-Z_]+[A-Z]\b")
    assert set(name.findall(code)) - NOT_FOR_PEOPLE == set(name.findall(page))


def test_every_direct_dependency_has_its_reason(root: Path):
    reasons = (root / "docs" / "dependencies.md").read_text().lower()
    pins = re.findall(r'^\s*"([a-z0-9-]+)[\[=]', (root / "pyproject.toml").read_text(), re.MULTILINE)
    hashed = re.findall(
        r"^([a-z0-9-]+)==", (root / "requirements" / "embedded.txt").read_text(), re.MULTILINE
    )
    npm = json.loads((root / "package.json").read_text())["devDependencies"]
    assert len(pins) > 20
    assert [name for name in {*pins, *hashed, *npm} if name not in reasons] == []


def test_no_page_lets_the_browser_cut_a_text(root: Path):
    """A browser cuts what is pasted at a maxlength: pages say data-limit, for which static/js/text-limits.js looks."""
    cutting = [
        path.name
        for folder, kind in (("templates", "*.html"), ("static/js", "*.js"))
        for path in (root / folder).rglob(kind)
        if re.search(r"maxlength=|maxLength", path.read_text())
    ]
    assert cutting == []
    assert "maxlength" not in str(UserCreationForm()["username"])


def test_every_link_in_the_documentation_leads_somewhere(root: Path):
    pages = [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    ]
    assert links
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_every_decision_that_the_code_names_is_there(root: Path):
    code = "".join(
        path.read_text()
        for folder in (
            "accounts",
            "chat",
            "documents",
            "inference",
            "models_registry",
            "ragsite",
            "workspaces",
        )
        for path in (root / folder).rglob("*.py")
    )
    named = set(re.findall(r"docs/adr/[0-9]{4}-[a-z-]+\.md", code))
    assert named
    assert [each for each in named if not (root / each).exists()] == []
