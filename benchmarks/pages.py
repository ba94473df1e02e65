"""Pages: weight, requests, first contentful paint, layout shift, and the CPU time of their server.

    python -m benchmarks.pages

Fills a fresh installation and opens its pages in Chromium, cold (an empty cache) and warm. Each conversation has answers
with lists, tables, code and six passages. CPU time is that of the web process, for each open. Needs Chromium
(CHROMIUM names another one than /usr/bin/chromium). Writes benchmarks/results/pages.md.
"""

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.installation import ROOT, Installation, installed

# isort: split
# The imports below need the settings, which the installation creates.
import psutil
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from chat.models import Answer, AnswerPassage, Session, Turn
from documents.models import Document
from models_registry.models import Endpoint
from ragsite.embedded import statics
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = ROOT / "benchmarks" / "results" / "pages.md"
TIMES = 5  # opens of each page for its CPU time
TEXT = (
    "The pump is filled in **three steps** [1]:\n\n1. Open the valve.\n2. Pour in two litres of oil [2].\n3. Close it.\n\n"
    "| part | litres |\n|---|--:|\n| pump | 2 |\n| motor | 0.5 |\n\n```python\ndef fill(litres):\n    return litres * 2\n```\n\n"
    + "Check the level every week, because a dry pump wears its seals within days [3]. "
    * 8
)
PASSAGE = "Open the valve, pour in two litres of oil and close it again. " * 12
# Layout shift (CLS): the sum of the shifts that no input has caused (https://web.dev/articles/cls).
_OBSERVE = """
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""
_READ = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const parts = performance.getEntriesByType("resource");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    const first = parts.filter((each) => each.startTime < paint.startTime);
    const size = (list) => list.reduce((sum, each) => sum + each.transferSize, page.transferSize) / 1000;
    return {
      kilobytes: size(parts),
      requests: 1 + parts.filter((each) => each.transferSize > 0).length,
      first_kilobytes: size(first),
      first_requests: 1 + first.length,
      paint_ms: paint.startTime,
      nodes: document.getElementsByTagName("*").length,
      shift: window.shift,
    };
}"""


@dataclass(frozen=True)
class Opened:
    """What the browser measured. Sizes are as sent, in thousands of bytes."""

    kilobytes: float  # over the network
    requests: int  # over the network
    first_kilobytes: float  # of them, up to the first contentful paint
    first_requests: int  # up to the first contentful paint, with those that the cache answered
    paint_ms: float
    nodes: int
    shift: float


def main() -> None:
    statics.collect()
    with installed(web_processes=1) as place, sync_playwright() as playwright:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
        pages = fill(place)
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        rows = [row(place, browser, name, path) for name, path in pages.items()]
        browser.close()
    RESULT.write_text("\n".join([*head(), *rows, ""]))
    print(RESULT.read_text())


def fill(place: Installation) -> dict[str, str]:
    """Create what the pages show. Return the path of each page by its name."""
    type(place.user).objects.filter(pk=place.user.pk).update(is_staff=True, is_superuser=True)
    place.offer("fake")
    small, large = (workspace(place, count) for count in (18, 200))
    pages = {"login": "/login/", "new chat": "/", "workspaces": reverse("workspaces")}
    for turns in (5, 100, 300):
        pages[f"chat, {turns} turns"] = reverse("session", args=[conversation(place, small, turns).pk])
    pages["chat, 300 turns, all shown"] = f"{pages['chat, 300 turns']}?turns=all"
    pages["documents, 18"] = reverse("workspace", args=[small.pk])
    pages["documents, 200"] = reverse("workspace", args=[large.pk])
    return pages | {"console": reverse("admin:index")}


def workspace(place: Installation, documents: int) -> Workspace:
    embedder, _ = Endpoint.objects.get_or_create(
        name="Vectors",
        defaults={"kind": "embedding", "provider": "openai_compat", "model": "fake", "dimensions": 384},
    )
    name = f"Handbook of {documents}"
    made = provision_workspace(
        place.user, name=name, languages=["en"], embedder=embedder, relevance_floor=0.0
    )
    Document.objects.bulk_create(
        Document(
            workspace=made, kind="file", title=f"Pump {number}.pdf", media_type="application/pdf", size_bytes=90_000,
            content_sha256=uuid4().hex, language="en", status="ready", stage="done", next_attempt_at=None,
            ready_at=timezone.now(), chunk_count=9,
        )
        for number in range(documents)
    )  # fmt: skip
    return made


def conversation(place: Installation, of: Workspace, count: int) -> Session:
    session = Session.objects.create(user=place.user, title=f"Pumps, {count}")
    turns: list[Turn] = []
    for number in range(count):
        parent = turns[-1] if turns else None
        text = f"How do I fill pump {number}?"
        turns.append(Turn(session=session, message_id=str(number), text=text, workspace=of, parent=parent))
    Turn.objects.bulk_create(turns)
    now = timezone.now()
    ended: dict[str, Any] = {
        "status": "finished",
        "grounding": "found",
        "ended_at": now,
        "first_token_at": now,
    }
    answers = [
        Answer(turn=turn, endpoint_name="fake", text=TEXT, output_tokens=200, **ended) for turn in turns
    ]
    Answer.objects.bulk_create(answers)
    AnswerPassage.objects.bulk_create(
        AnswerPassage(
            answer=answer, number=number, document_title=f"Pump {number}.pdf", section=0, start=0, end=len(PASSAGE),
            text=PASSAGE, title_path=["Pumps", "Filling"], page=number,
        )
        for answer in answers
        for number in range(1, 7)
    )  # fmt: skip
    return session


def row(place: Installation, browser: Browser, name: str, path: str) -> str:
    context = browser.new_context(base_url=f"http://{_host(place)}")
    context.add_init_script(_OBSERVE)
    if name != "login":
        log_in(place, context)
    page = context.new_page()
    cold, warm = opened(page, path), opened(page, path)
    context.close()
    told = (
        f"{cold.kilobytes:.0f} / {warm.kilobytes:.0f}",
        f"{cold.requests} / {warm.requests}",
        f"{warm.first_kilobytes:.0f}",
        f"{warm.first_requests}",
        f"{cold.paint_ms:.0f} / {warm.paint_ms:.0f}",
        f"{warm.nodes:,}",
        f"{max(cold.shift, warm.shift):.3f}",
        f"{cpu_ms(place, path):.0f}",
    )
    return f"| {name} | {' | '.join(told)} |"


def log_in(place: Installation, context: BrowserContext) -> None:
    name, _, value = place.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": f"http://{_host(place)}"}])


def opened(page: Page, path: str) -> Opened:
    page.goto(path, wait_until="load")
    page.wait_for_timeout(1500)  # what scripts add and move afterwards counts too
    return Opened(**page.evaluate(_READ))


def cpu_ms(place: Installation, path: str) -> float:
    """Return the median CPU time of the web process for one open, in ms."""
    [process] = (psutil.Process(each.pid) for each in place.webs.values())
    client = HTTPConnection(_host(place), timeout=120)
    took = []
    for _ in range(TIMES):
        before = process.cpu_times()
        client.request("GET", path, headers={"Cookie": place.cookie, "Accept-Encoding": "gzip"})
        client.getresponse().read()
        after = process.cpu_times()
        took.append(after.user + after.system - before.user - before.system)
    return 1000 * statistics.median(took)


def _host(place: Installation) -> str:
    [address] = place.addresses
    return urlsplit(address).netloc.replace("127.0.0.1", "localhost")


def head() -> Iterator[str]:
    columns: Sequence[str] = (
        "page", "KB cold / warm", "requests cold / warm", "KB to first paint, warm", "requests to first paint, warm",
        "first contentful paint, ms, cold / warm", "nodes", "layout shift", "CPU of the server, ms",
    )  # fmt: skip
    yield f"# Pages ({date.today()})\n"
    yield "`python -m benchmarks.pages` on 2 cores. KB are as sent over the network, compressed. Requests to first paint"
    yield "count those that the cache answers, too. Layout shift is the higher of the two opens, all of it up to 1.5 s after"
    yield "the load. The paint depends on the machine: compare within one run.\n"
    yield f"| {' | '.join(columns)} |"
    yield f"|---{'|--:' * (len(columns) - 1)}|"


if __name__ == "__main__":
    main()
