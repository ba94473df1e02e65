"""axe-core finds no violation on any page of the site and of the admin, in light and in dark.

The addresses come from the URL resolver, as in tests/guards/test_addresses.py: a new page is checked without being
mentioned here.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import User
from chat.models import Answer
from documents.adding.service import add_qa, add_text
from documents.models import Document, Search
from documents.sources.service import add_feed, add_website
from tests import factories
from tests.chat.serving import served_in_thread
from tests.guards.world import World, addresses

from .conftest import log_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

# Everything that axe can check, also what is a good practice and not a criterion of the WCAG.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# A theme changes nothing but colours.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
WITHOUT_LOGIN = ("/login/", "/no-such-page/")
ERRORS = ("400.html", "403.html", "403_csrf.html", "500.html")
API = ("/api/v1/", "/v1")
FRAMES = ("/diagram/",)  # hidden, and no page of its own
# Colours that are still changing have no contrast yet.
AXE = """async (options) => {
  for (const animation of document.getAnimations()) if (animation.effect.getTiming().iterations !== Infinity) animation.finish();
  const { violations } = await axe.run(document, { ...options, preload: false, resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, nodes.length, `${nodes[0].target}: ${nodes[0].failureSummary}`]);
}"""

ANSWER = """A pump *needs* **oil** [1], \\(x_1^2\\) litres.

$$\\frac{a}{b$$

- [x] filled
- [ ] closed

```mermaid
flowchart LR
  Pump --> Valve
```

## When

- every week [1]
- with ~~fat~~ `oil` and a [link](https://example.org)

> As the handbook says.

| part | litres |
| --- | ---: |
| motor | 2 |

```python
def fill(pump):  # with oil
    return pump + "oil"
```
"""


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


@pytest.fixture
def world() -> World:
    """Return a world whose lists and pages are full: everything that has a state is there in each."""
    world = World()
    workspace, manager = world.workspace, world.manager
    workspace.access_levels = ["Everybody", "Staff"]
    workspace.languages = ["en", "de"]
    workspace.save()
    _fill_documents(world)
    _fill_chat(world)
    Search.objects.update(outcome=Search.Outcome.FAILED, error="The model did not answer.")
    factories.chat_endpoint(name="Quotes", rank=1)
    factories.chat_endpoint(name="Gone", last_check_ok=False, last_error="The server refused the key.")
    manager.user_permissions.set(world.viewer.user_permissions.all())
    return world


def _fill_documents(world: World) -> None:
    workspace, manager = world.workspace, world.manager
    factories.section(world.document, "# Pumps\n\n| a | b |\n| --- | --- |\n| 1 | 2 |", title_path=["Pumps"])
    now = timezone.now()
    for fields in (
        {"status": Document.Status.FAILED, "error": "The file is damaged."},
        {"status": Document.Status.PENDING, "next_attempt_at": now, "error": "The model did not answer."},
        {"status": Document.Status.PROCESSING, "stage": Document.Stage.EMBED, "lease_until": now},
    ):
        factories.document(workspace, content=b"some text", **fields)
    add_text(workspace, manager, "Notes", "# Pumps", is_markdown=True, ask_worker=False)
    add_qa(workspace, manager, "What does a pump need?", "Oil.", ask_worker=False)
    add_website(workspace, manager, "https://example.org/", ask_worker=False)
    source = add_feed(workspace, manager, "https://example.org/feed", ask_worker=False).source
    source.addresses.create(url="https://example.org/1", state="failed", reason="It is not there (404).")


def _fill_chat(world: World) -> None:
    Answer.objects.filter(pk=world.answer.pk).update(
        text=ANSWER, grounding=Answer.Grounding.FOUND, ended_at=timezone.now() + timedelta(seconds=2),
        output_tokens=9, input_tokens=9,
    )  # fmt: skip
    for fields in (
        {"status": Answer.Status.FAILED, "error": "The model did not answer."},
        {"status": Answer.Status.STOPPED, "text": "A pump"},
        {"grounding": Answer.Grounding.NOTHING_RELEVANT},
        {"grounding": Answer.Grounding.EMPTY},
    ):
        factories.answer(world.session, workspace=world.workspace, **fields)
    factories.answer_beside(world.answer, text="Beside.", lane=1)
    factories.version(world.answer, text="Another version.")
    factories.session(world.manager, title="A pinned one", is_pinned=True)


def pages_of(user: User, world: World) -> list[str]:
    """Return the path of every page of the admin, or of the site, filled in with one document of each kind."""
    client = Client()
    client.force_login(user)
    documents = world.workspace.documents.order_by("kind", "status").distinct("kind")
    found = [
        world.path(address, document_id=document.pk)
        for address in addresses()
        if address.is_admin == user.is_superuser
        for document in documents
    ]
    return [
        path for path in dict.fromkeys(found) if not path.startswith(API + FRAMES) and _is_page(client, path)
    ]


def _is_page(client: Client, path: str) -> bool:
    response = client.get(path)
    content = b"" if response.streaming else response.content
    response.close()
    return response.status_code == 200 and b"<html" in content


def test_no_page_has_an_accessibility_violation(
    page: Page, world: World, root: Path, requests_fail: None
) -> None:
    page.context.add_init_script(path=root / "node_modules/axe-core/axe.min.js")
    found = [violation for path in WITHOUT_LOGIN for violation in _violations(page, path)]
    for name in ERRORS:
        page.set_content(render_to_string(name))
        found += _violations(page, name, is_open=True)
    for user in (world.manager, factories.operator()):
        log_in(page, user)
        for path in pages_of(user, world):
            found += _violations(page, path)
    assert not found, "\n".join(found)


def _violations(page: Page, path: str, *, is_open: bool = False) -> Iterator[str]:
    """Open a page and yield a line for each violation, in light and in dark."""
    page.emulate_media(color_scheme="light")
    if not is_open:
        page.goto(path)
        if path == reverse("api-docs"):
            page.locator(".opblock").first.wait_for()
    yield from _check(page, path, RULES)
    page.emulate_media(color_scheme="dark")
    yield from _check(page, f"{path} (dark)", COLOURS)


def _check(page: Page, where: str, options: Mapping[str, object]) -> Iterator[str]:
    for rule, count, first in page.evaluate(AXE, options):
        yield f"{where}: {rule}, {count} times, first in {first}"
