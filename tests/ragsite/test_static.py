"""The static files of production: hashed names, also of what a module imports only when it is needed."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

pytestmark = pytest.mark.unit

STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "ragsite.static.ManifestStorage"}}
FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]  # our own files


def test_modules_import_hashed_names_also_later_and_built_ones_are_only_copied(tmp_path: Path) -> None:
    with override_settings(STATIC_ROOT=tmp_path, STORAGES=STORAGES, STATICFILES_FINDERS=FINDERS):
        call_command("collectstatic", interactive=False, verbosity=0)
    found = [
        (module.parent / path).resolve()
        for module in tmp_path.glob("js/text/*.????????????.js")
        for path in re.findall(r"""await import\("([^"]+)"\)""", module.read_text())
    ]
    assert {path.name.partition(".")[0] for path in found} >= {"formulas", "diagrams", "code-colours"}
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", path.name) and path.exists() for path in found)
    (mermaid,) = tmp_path.glob("vendor/mermaid.????????????.js")
    assert mermaid.read_bytes() == (tmp_path / "vendor/mermaid.js").read_bytes()
    assert mermaid.with_suffix(".js.br").stat().st_size < 1_600_000
    # static/js/text/formulas.js names this file without a hash
    styles = (tmp_path / "vendor/katex.css").read_text()
    assert all((tmp_path / "vendor" / path).exists() for path in re.findall(r"url\(([^)]+)\)", styles))
