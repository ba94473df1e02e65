"""Someone new finds their way: no folder is a hall of doors."""

from collections import Counter
from pathlib import Path

MAX_MODULES = 20
_NO_ROOMS = {".venv", "migrations", "node_modules", "__pycache__", "build", "tests", "benchmarks"}


def test_no_package_has_more_modules_of_its_own_than_a_person_surveys(root: Path) -> None:
    modules = Counter(
        path.parent.relative_to(root)
        for path in root.rglob("*.py")
        if path.name != "__init__.py" and not _NO_ROOMS & set(path.relative_to(root).parts)
    )
    assert sum(modules.values()) > 200
    assert {str(place): count for place, count in modules.items() if count > MAX_MODULES} == {}
