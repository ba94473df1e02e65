"""An answer on the clipboard: as HTML and as plain text, with its sources."""

import pytest
from django.urls import reverse

from tests import factories

pytestmark = pytest.mark.django_db

ANSWER = r"""# Fees

They are **due** in *May* [1], see [the page](https://a.example/fees) and ![a chart](https://a.example/x.png).

| Month | Fee |
|---|--:|
| May | $a_1^2 * b_2$ |

- one
  - deeper
- two

3. third
4. fourth

> quoted

\[ E = mc^2 \] and `x | y` cost $5 and $6.

```python
print("[1]")
```

<script>alert(1)</script>"""


@pytest.fixture
def copied(client):
    user = factories.user()
    client.force_login(user)
    passages = [{"document_title": "Fees <b>.pdf", "page": 4, "title_path": ["A", "B", "C"]}, {}]
    answer = factories.answer(factories.session(user), text=ANSWER, passages=passages)
    return client.get(reverse("answer-copy", args=[answer.pk])).json()


def test_plain_text_has_no_markup_and_each_formula_once(copied):
    assert copied["text"] == "\n".join(
        [
            "Fees", "",
            "They are due in May [1], see the page (https://a.example/fees) and a chart.", "",
            "Month\tFee", "May\t$a_1^2 * b_2$", "",
            "- one", "  - deeper", "- two", "",
            "3. third", "4. fourth", "",
            "> quoted", "",
            r"\[ E = mc^2 \] and x | y cost $5 and $6.", "",
            'print("[1]")', "",
            "<script>alert(1)</script>", "",
            "Sources:", "[1] Fees <b>.pdf, B › C, page 4",
        ]
    )  # fmt: skip


def test_html_keeps_the_structure_and_runs_nothing(copied):
    html = copied["html"]
    for part in (
        "<h1>Fees</h1>", "<strong>due</strong>", "<td>May</td>", "<td>$a_1^2 * b_2$</td>", '<ol start="3">',
        r"\[ E = mc^2 \]", "<code>x | y</code>", "[1] Fees &lt;b&gt;.pdf, B › C, page 4",
    ):  # fmt: skip
        assert part in html
    assert not [each for each in ("<script", "<img", "style=", "x.png") if each in html]
    assert html.count("mc^2") == 1


def test_markdown_is_as_the_model_wrote_it(copied):
    assert copied["markdown"].startswith(ANSWER)
    assert copied["markdown"].endswith("Sources:\n\n- [1] Fees <b>.pdf, B › C, page 4")
