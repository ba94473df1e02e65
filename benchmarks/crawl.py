"""Checks that a crawl fetches exactly the allowed pages of a real site, each once, even if it is killed.

    python -m benchmarks.crawl --data DIR [--kills 5]

DIR holds site-django/site.tar.xz and tools/serve_site.py, which serves it on the loopback interface with
robots.txt, sitemaps, redirects, loops, a trap of endless links, and broken, slow and huge pages. PostgreSQL
is real, in a temporary directory. The crawl runs in its own processes, which are killed with SIGKILL. Then
some pages change, and the site is crawled again. Fetched pages are not embedded here. Writes
benchmarks/results/crawl.md.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

os.environ |= {"RAGSITE_ALLOWED_PRIVATE_HOSTS": "127.0.0.1", "RAGSITE_CRAWL_TIMEOUT": "5"}

from django.core.management import call_command
from django.utils import timezone

from benchmarks.installation import DATA, ROOT, Process, postgres
from documents.ingestion.restart import restart
from documents.models import Document
from documents.sources.service import add_website
from tests import factories

RESULT = Path(__file__).parent / "results" / "crawl.md"
DEPTH = 6
TRAPS = {"/traps.html", "/latin1.html", "/offsite.html", *(f"/calendar/{day}" for day in range(1, DEPTH + 1))}
BROKEN = {"/loop", "/slow", "/big.bin", "/gone.html", "/err.html"}
TOUCHED = ("/index.html", "/faq/general.html", "/topics/http/urls.html")
_WORKER = """
import sys, time, uuid, django
django.setup()
from documents.models import Document
from documents.sources.crawl.crawler import crawl
key = uuid.UUID(sys.argv[1])
while Document.objects.get(pk=key).status in ("pending", "processing"):
    crawl(key, lambda document_id: None) or time.sleep(0.2)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(data: Path) -> Iterator[str]:
    """Serve the site and yield its address."""
    port = free_port()
    command = [
        sys.executable,
        str(data / "tools" / "serve_site.py"),
        str(data / "site-django" / "site.tar.xz"),
    ]
    with subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            while not _answers(url):
                time.sleep(0.2)
            yield url
        finally:
            server.kill()


def _answers(url: str) -> bool:
    try:
        _log(url)
    except OSError:
        return False
    return True


def _log(url: str) -> list[str]:
    """Return the requested paths, in order."""
    with urllib.request.urlopen(f"{url}/__log") as reply:
        return [json.loads(line)["p"] for line in reply.read().decode().splitlines()]


def allowed_pages(data: Path) -> set[str]:
    with tarfile.open(data / "site-django" / "site.tar.xz") as archive:
        names = [member.name.removeprefix("./") for member in archive if member.name.endswith(".html")]
    return {f"/{quote(name)}" for name in names}


def crawl(site: Document, url: str, kills: int) -> float:
    """Crawl to the end, killing the worker `kills` times. Return the seconds."""
    rng, started = random.Random(4), time.monotonic()
    for number in range(kills + 1):
        with subprocess.Popen([sys.executable, "-c", _WORKER, str(site.pk)], cwd=ROOT) as worker:
            if number == kills:
                break
            least = len(_log(url)) + rng.randrange(20, 90)
            while worker.poll() is None and len(_log(url)) < least:
                time.sleep(0.05)
            worker.send_signal(signal.SIGKILL)
        Document.objects.filter(pk=site.pk, status="processing").update(lease_until=timezone.now())
    site.refresh_from_db()
    return time.monotonic() - started


def children(site: Document, url: str) -> Counter[str]:
    return Counter(each.removeprefix(url) for each in site.children.values_list("url", flat=True))


def measure(data: Path, kills: int) -> list[str]:
    expected = allowed_pages(data) | TRAPS
    with served(data) as url:
        site = add_website(
            factories.workspace(),
            None,
            f"{url}/traps.html",
            ask_worker=False,
            max_pages=2000,
            max_depth=DEPTH,
        )
        took_s = crawl(site, url, kills)
        found, log = children(site, url), _log(url)
        asked = Counter(log)
        once = sum(asked[path] for path in expected) - len(expected)
        failed = {each.url.removeprefix(url): each.reason for each in site.source.troubles()}
        dead = [path for path, reason in failed.items() if path not in BROKEN and "status 404" in reason]
        troubles = [f"- `{path}`: {reason}" for path, reason in failed.items() if path not in dead]
        lines = [
            f"| the site's state | {site.status}, {site.page_count} pages, {site.source.troubles().count()} failed |",
            f"| allowed pages, from the archive and the traps that are pages | {len(expected)} |",
            f"| of them read | {len(expected & found.keys())} |",
            f"| other pages read | {len(found.keys() - expected)} |",
            f"| read more than once | {sum(count > 1 for count in found.values())} |",
            f"| workers killed | {kills} |",
            f"| fetched again because of that | {once} |",
            f"| robots.txt violated | {sum(path.startswith(('/private', '/_sources')) for path in log)} |",
            f"| seconds, including kills and waiting for broken pages | {took_s:.0f} |",
        ]
        for path in TOUCHED:
            urllib.request.urlopen(f"{url}/__touch?p={path}", data=b"").close()
        before = dict(site.children.values_list("url", "content_sha256"))
        restart(site, None, ask_worker=False)
        took_s = crawl(site, url, 0)
        changed = {
            each.removeprefix(url)
            for each, digest in site.children.values_list("url", "content_sha256")
            if before.get(each) != digest
        }
        lines += [
            f"| second visit: pages changed / detected as changed | {len(TOUCHED)} / "
            f"{len(changed & set(TOUCHED))} |",
            f"| second visit: unchanged pages taken for changed | {len(changed - set(TOUCHED))} |",
            f"| second visit: seconds | {took_s:.0f} |",
        ]
        print("others read:", sorted(found.keys() - expected), "missing:", sorted(expected - found.keys()))
    return ["# Crawling a documentation site", "", "`python -m benchmarks.crawl --data DIR`", "", "| | |", "|---|---|",
            *lines, "", "The errors of the pages that failed:", "", *troubles,
            f"- {len(dead)} more, linked but missing in the archive: status 404.", ""]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    server = Process(lambda: postgres.service(DATA))
    server.start()
    try:
        call_command("migrate", verbosity=0)
        text = "\n".join(measure(options.data, options.kills))
    finally:
        server.stop()
    RESULT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
