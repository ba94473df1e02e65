"""The excerpts of passages in lists."""

import pytest

from documents.templatetags.documents import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Price list\nThe fee is 48 euros.\n\n## Second\nMore.", "Price list\nThe fee is 48 euros.\n\nSecond\nMore."),
        ("choose *Add*, then **Website**, or ***both***", "choose Add, then Website, or both"),
        ("`POST /api/v1` adds one", "POST /api/v1 adds one"),
        ("| word | means |\n|---|:-:|\n| workspace | a corpus |", "word · means\nworkspace · a corpus"),
        ("```python\nx = 1\n```\nafter", "x = 1\nafter"),
        ("- **By a rule for a…", "- By a rule for a…"),
        ("2 * 3 * 4, 2**3, issue #7, C# and a | b", "2 * 3 * 4, 2**3, issue #7, C# and a | b"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_marks_of_markdown_are_taken_out(text, shown):
    assert plain(text) == shown
