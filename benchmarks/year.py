"""A simulated year: sizes on disk, the nightly work, pages and searches before and after it, a big deletion.

    python -m benchmarks.year [--scale 1.0]

The rows of a year are put in by SQL: 100,000 answers with 1.3 million events, 2,000 documents with 20,000 chunks,
200 websites with a visit a day, 500,000 audit events, 300,000 ended logins, 100,000 old searches. One user has a
fifth of the conversations, one document 4,000 attempts. `--scale` multiplies the numbers. Pages are asked for
over HTTP, from one web process; each time is that of the client. Writes benchmarks/results/year.md.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from benchmarks.installation import ROOT, Installation, installed
from benchmarks.metrics import quantile

# isort: split
# The imports below need the settings, which the installation creates.
import psutil
from django.db import connection
from django.db.models import F
from django.urls import reverse

from accounts import deletion
from accounts.models import Deletion, User
from accounts.removal import delete_user
from chat.asking.sessions import delete_session
from chat.models import Session
from documents.ingestion.deletion import delete_document
from documents.models import Document, Source
from models_registry.models import Endpoint
from ragsite.cleaning.runs import CLEANINGS, clean
from ragsite.embedded import statics
from ragsite.models import CleaningRun
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = ROOT / "benchmarks" / "results" / "year.md"
ANSWERS, EVENTS_EACH, DOCUMENTS, CHUNKS_EACH = 100_000, 13, 2_000, 10
WEBSITES, VISITS, PAGES = 200, 365, 50
LARGEST = 10_000  # pages of the website that is deleted, with a passage and three sections each
AUDIT, LOGINS, SEARCHES, ACTIONS, ATTEMPTS = 500_000, 300_000, 100_000, 20_000, 4_000
TIMES = 10  # requests of each page
DIMENSIONS = 384
TABLES = (
    "chat_answerevent", "chat_answer", "chat_turn", "accounts_auditevent", "django_session", "documents_search",
    "documents_ledgerentry", "documents_section", "django_admin_log",
)  # fmt: skip

_FILL = """
    INSERT INTO chat_session (id, user_id, title, is_pinned, created_at, updated_at)
    SELECT gen_random_uuid(), CASE WHEN n %% 5 = 0 THEN %(heavy)s::uuid ELSE %(others)s::uuid END,
        'Pump ' || n, false, moment, moment
    FROM (SELECT n, now() - random() * interval '365 days' AS moment FROM generate_series(1, %(answers)s) n) s;

    INSERT INTO chat_session (id, user_id, title, is_pinned, created_at, updated_at)
    VALUES (%(long)s, %(others)s, 'A long one', false, now(), now());

    INSERT INTO chat_turn (id, session_id, message_id, text, workspace_id, filters, created_at)
    SELECT gen_random_uuid(), id, 'm', 'How do I fill the pump with oil? ' || title, %(workspace)s, '{{}}', created_at
    FROM chat_session WHERE id <> %(long)s;

    INSERT INTO chat_turn (id, session_id, message_id, text, workspace_id, filters, created_at)
    SELECT gen_random_uuid(), %(long)s, n::text, 'And then?', %(workspace)s, '{{}}', now() - n * interval '1 minute'
    FROM generate_series(1, %(turns)s) n;

    UPDATE chat_turn SET parent_id = found.before, shown_at = created_at
    FROM (SELECT id, lag(id) OVER (ORDER BY created_at) AS before FROM chat_turn WHERE session_id = %(long)s) AS found
    WHERE found.id = chat_turn.id;

    INSERT INTO chat_answer (id, turn_id, endpoint_name, lane, parameters, status, grounding, text, error,
        stop_requested, fence, input_tokens, output_tokens, cost, trace, created_at, started_at, first_token_at,
        ended_at, has_compact_log)
    SELECT gen_random_uuid(), id, 'a model', 0, '{{}}', 'finished', 'found', repeat('Fill it with oil [1]. ', 20), '',
        false, 1, 900, 120, 0.001, '{{"legs": []}}', created_at, created_at, created_at + interval '1 second',
        created_at + interval '5 seconds', false
    FROM chat_turn;

    INSERT INTO chat_answerevent (answer_id, seq, kind, data, at)
    SELECT id, seq, CASE WHEN seq = %(events)s THEN 'finished' ELSE 'delta' END, '{{"text": "Fill it with oil. "}}', ended_at
    FROM chat_answer, generate_series(1, %(events)s) seq;

    INSERT INTO documents_ledgerentry (document_id, index_number, attempt, stage, outcome, detail, started_at, finished_at)
    SELECT d.id, 0, n, work, 'done', '{{}}', now() - n * interval '1 day', now() - n * interval '1 day'
    FROM documents_document d, generate_series(1, 3) n, unnest(array['extract', 'chunk', 'embed', 'publish']) work;

    INSERT INTO documents_ledgerentry (document_id, index_number, attempt, stage, outcome, detail, started_at, finished_at)
    SELECT %(document)s, 0, n, stage, 'failed', '{{"error": "The model was away."}}', now() - n * interval '1 hour',
        now() - n * interval '1 hour'
    FROM generate_series(1, %(attempts)s) n, unnest(array['extract', 'chunk', 'embed']) stage;

    INSERT INTO documents_ledgerentry (document_id, index_number, attempt, stage, outcome, detail, started_at, finished_at)
    SELECT s.document_id, 0, 1, stage, 'done', '{{"pages": 50}}', now() - n * interval '1 day', now() - n * interval '1 day'
    FROM documents_source s, generate_series(1, %(visits)s) n, unnest(array['fetch', 'publish']) stage;

    INSERT INTO documents_address (source_id, url, role, depth, priority, state, reason, elsewhere, tries, next_try_at,
        fetched_at, etag, last_modified, content_sha256, guid_sha256, own_title, own_text)
    SELECT document_id, home || 'page/' || n, 'page', 1, n, CASE WHEN n %% 5 = 0 THEN 'gone' ELSE 'done' END, '', '', 1,
        now(), now() - random() * interval '365 days', '', '', '', '', '', ''
    FROM documents_source, generate_series(1, %(pages)s) n;

    INSERT INTO accounts_auditevent (at, user_id, actor_name, action, subject, detail)
    SELECT now() - random() * interval '365 days', %(heavy)s, 'heavy', (array['document.add', 'document.retry',
        'document.delete', 'workspace.change'])[1 + n %% 4], 'manual ' || n || '.pdf', '{{"id": "x"}}'
    FROM generate_series(1, %(audit)s) n;

    INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT md5(n::text), repeat('x', 200), now() - random() * interval '300 days' FROM generate_series(1, %(logins)s) n;

    INSERT INTO documents_search (id, workspace_id, user_id, question, outcome, error, trace, created_at)
    SELECT gen_random_uuid(), %(workspace)s, %(others)s, 'pump oil ' || n, 'found', '', '{{"legs": [], "candidates": []}}',
        now() - random() * interval '365 days' FROM generate_series(1, %(searches)s) n;

    INSERT INTO django_admin_log (action_time, user_id, object_repr, action_flag, change_message)
    SELECT now() - random() * interval '365 days', %(operator)s, 'x', 2, '' FROM generate_series(1, %(actions)s) n;
"""


class Year:
    def __init__(self, place: Installation, scale: float) -> None:
        self.scale, self.operator = scale, place.user
        User.objects.filter(pk=place.user.pk).update(is_superuser=True, is_staff=True)
        self.heavy = User.objects.create(username="heavy")
        self.workspace = self._workspace(place)
        self.document = self._documents()
        self.long = uuid4()
        self._fill()

    def many(self, count: int) -> int:
        return max(1, round(count * self.scale))

    def _workspace(self, place: Installation) -> Workspace:
        embedder = Endpoint.objects.create(
            name="embedder", kind="embedding", provider="openai_compat", model="fake", dimensions=DIMENSIONS,
            options={"base_url": place.model.base_url}, last_check_ok=True,
        )  # fmt: skip
        return provision_workspace(
            self.operator, name="Handbook", languages=["en"], embedder=embedder, relevance_floor=0.0
        )

    def _documents(self) -> UUID:
        """Add documents with chunks through the engine, and websites. Return one document."""
        rows = [self._document("file", f"manual {n}.txt") for n in range(self.many(DOCUMENTS))]
        Document.objects.bulk_create(rows)
        engine = engine_for(self.workspace)
        for each in rows:
            chunks = [NewChunk(n, self._text(n), bytes([n]), 0, 0, 9) for n in range(CHUNKS_EACH)]
            engine.stage(each.pk, chunks, [[random.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in chunks])
            engine.publish(each.pk, CHUNKS_EACH)
        sites = [self._document("site", f"site {n}") for n in range(self.many(WEBSITES))]
        Document.objects.bulk_create(sites)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO documents_source (document_id, home, follows_links, max_pages, max_depth, is_below_start, "
                "include, exclude, prefers_own_text, schedule, is_under_way) SELECT id, 'https://' || id || '.example/', "
                "true, 0, 0, false, '[]', '[]', false, 'daily', false FROM documents_document WHERE kind = 'site'"
            )
        Workspace.objects.filter(pk=self.workspace.pk).update(
            document_count=len(rows) + len(sites),
            chunk_count=CHUNKS_EACH * len(rows),
            size_bytes=9000 * (len(rows) + len(sites)),
        )
        return rows[0].pk

    def largest_site(self) -> Document:
        """Add a website with very many pages."""
        site = self._document("site", "a large site")
        site.save()
        Source.objects.create(document=site, home="https://large.example/")
        pages = [self._document("page", f"page {n}") for n in range(self.many(LARGEST))]
        for n, each in enumerate(pages):
            each.parent, each.url = site, f"https://large.example/{n}"
        Document.objects.bulk_create(pages, batch_size=1000)
        Workspace.objects.filter(pk=self.workspace.pk).update(
            document_count=F("document_count") + 1 + len(pages),
            size_bytes=F("size_bytes") + 9000 * (1 + len(pages)),
        )
        engine = engine_for(self.workspace)
        for each in pages:
            vector = [random.gauss(0, 1) for _ in range(DIMENSIONS)]
            engine.stage(each.pk, [NewChunk(0, self._text(0), bytes(1), 0, 0, 9)], [vector])
            engine.publish(each.pk, 1)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO documents_section (document_id, index_number, position, text, title_path) "
                "SELECT id, 0, n, 'Fill it with oil.', '[]' FROM documents_document, generate_series(1, 3) n "
                "WHERE parent_id = %s",
                [site.pk],
            )
        return site

    def _document(self, kind: str, title: str) -> Document:
        return Document(
            workspace=self.workspace, kind=kind, title=title, media_type="text/plain", size_bytes=9000,
            content_sha256=uuid4().hex, language="en", status="ready", stage="done", next_attempt_at=None,
            chunk_count=CHUNKS_EACH if kind == "file" else 0,
        )  # fmt: skip

    @staticmethod
    def _text(number: int) -> str:
        words = random.choices(("pump", "oil", "valve", "fill", "weekly", "motor", "seal", "check"), k=60)
        return f"{' '.join(words)} part{random.randrange(20_000)} {number}"

    def _fill(self) -> None:
        values: dict[str, Any] = {
            "heavy": self.heavy.pk, "others": User.objects.create(username="others").pk, "operator": self.operator.pk,
            "workspace": self.workspace.pk, "document": self.document, "long": self.long, "events": EVENTS_EACH,
            "turns": self.many(200), "answers": self.many(ANSWERS), "attempts": self.many(ATTEMPTS), "visits": VISITS,
            "pages": PAGES, "audit": self.many(AUDIT), "logins": self.many(LOGINS), "searches": self.many(SEARCHES),
            "actions": self.many(ACTIONS),
        }  # fmt: skip
        with connection.cursor() as cursor:
            for statement in _FILL.replace("{{", "{").replace("}}", "}").split(";\n\n"):
                cursor.execute(statement, values)
            # The conversations that are opened are the operator's
            cursor.execute(
                "UPDATE chat_session SET user_id = %s WHERE id = %s OR (user_id <> %s AND random() < 0.01)",
                [self.operator.pk, self.long, self.heavy.pk],
            )
            cursor.execute("VACUUM ANALYZE")

    def pages(self) -> dict[str, tuple[str, str]]:
        """Return what is asked for: name -> (method, path)."""
        audit = reverse("admin:accounts_auditevent_changelist")
        return {
            "chat, with the list of conversations": ("GET", reverse("chat")),
            "conversation of 200 turns": ("GET", reverse("session", args=[self.long])),
            "documents": ("GET", reverse("workspace", args=[self.workspace.pk])),
            "document with 4,000 attempts": ("GET", reverse("document", args=[self.workspace.pk, self.document])),
            "search": ("POST", "/api/v1/semantic-search"),
            "console": ("GET", reverse("admin:index")),
            "admin: users": ("GET", reverse("admin:accounts_user_changelist")),
            "admin: deletion of the heavy user": ("GET", reverse("admin:accounts_user_delete", args=[self.heavy.pk])),
            "admin: audit events": ("GET", audit),
            "admin: audit events, search by name": ("GET", f"{audit}?q=heavy"),
            "admin: answers": ("GET", reverse("admin:chat_answer_changelist")),
            "admin: sessions": ("GET", reverse("admin:chat_session_changelist")),
            "admin: documents": ("GET", reverse("admin:documents_document_changelist")),
            "admin: document with 4,000 attempts": (
                "GET", reverse("admin:documents_document_change", args=[self.document]),
            ),
            "admin: websites and feeds": ("GET", reverse("admin:documents_source_changelist")),
            "admin: workspaces": ("GET", reverse("admin:workspaces_workspace_changelist")),
        }  # fmt: skip

    def body(self, number: int) -> bytes:
        query = f"weekly oil part{number}"
        return f'{{"workspaceId": "{self.workspace.pk}", "query": "{query}"}}'.encode()


def timed(place: Installation, year: Year) -> dict[str, list[float]]:
    """Return the seconds of each request, by page."""
    [address] = place.addresses
    client = HTTPConnection(urlsplit(address).netloc, timeout=120)
    headers = {"Cookie": place.cookie, "Host": "localhost"}
    api = {"Authorization": f"Bearer {place.key}", "Host": "localhost", "Content-Type": "application/json"}
    took: dict[str, list[float]] = {}
    for name, (method, path) in year.pages().items():
        for number in range(TIMES):
            started = time.perf_counter()
            body = year.body(number) if method == "POST" else None
            client.request(method, path, body, api if body else headers)
            reply = client.getresponse()
            reply.read()
            if reply.status != 200:
                raise SystemExit(f"{name}: status {reply.status}")
            took.setdefault(name, []).append(time.perf_counter() - started)
    return took


def memory_mb(place: Installation) -> int:
    [process] = place.webs.values()
    return int(psutil.Process(process.pid).memory_info().rss / 1e6)


def sizes() -> dict[str, tuple[int, float]]:
    """Return the rows and the megabytes on disk of each table, and of the database."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*), pg_total_relation_size('{table}') / 1e6 FROM {table}")
            found[table] = cursor.fetchone()
        cursor.execute("SELECT 0, pg_database_size(current_database()) / 1e6")
        found["all of the database"] = cursor.fetchone()
    return {name: (int(rows), float(size)) for name, (rows, size) in found.items()}


def vacuum(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(how)


def nightly() -> None:
    for name in CLEANINGS:
        while not clean(name):
            pass


def lines_of_sizes(
    before: dict[str, tuple[int, float]], after: Sequence[dict[str, tuple[int, float]]]
) -> Iterator[str]:
    yield "| table | rows before | MB before | rows after | MB after | MB that these rows need |"
    yield "|---|--:|--:|--:|--:|--:|"
    night, packed = after
    for name, (rows, size) in before.items():
        numbers = (rows, size, *night[name], packed[name][1])
        yield f"| {name} | {' | '.join(f'{number:,.0f}' if number else '' for number in numbers)} |"


def lines_of_pages(before: dict[str, list[float]], after: dict[str, list[float]]) -> Iterator[str]:
    yield "| page | p50 before, ms | p95 before | p50 after | p95 after |"
    yield "|---|--:|--:|--:|--:|"
    for name, values in before.items():
        told = [1000 * quantile(each, share) for each in (values, after[name]) for share in (0.5, 0.95)]
        yield f"| {name} | {' | '.join(f'{each:,.0f}' for each in told)} |"


def peak_of(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that the work takes, and by how many MB this process grows."""
    own, started = psutil.Process(), time.monotonic()
    before = own.memory_info().rss
    work()
    return time.monotonic() - started, (own.memory_info().rss - before) / 1e6


def work_off() -> None:
    """Do what a worker does of the deletions."""
    while row := Deletion.objects.filter(finished_at=None).first():
        deletion.go_on(row.pk)


def lines_of_deletions(year: Year) -> Iterator[str]:
    others, long = User.objects.get(username="others"), _longest(year)
    site = year.largest_site()
    requests: dict[str, Callable[[], object]] = {
        "user": lambda: delete_user(year.operator, year.heavy),
        f"conversation of {year.many(20_000):,} turns": lambda: delete_session(others, long),
        f"website of {year.many(LARGEST):,} pages": lambda: delete_document(site, year.operator),
    }
    yield "| what | rows | in the request, s | by a worker, s | MB by which the worker grows |"
    yield "|---|--:|--:|--:|--:|"
    for name, request in requests.items():
        asked, worked = peak_of(request)[0], peak_of(work_off)
        rows = Deletion.objects.latest("pk").total or 0
        yield f"| {name} | {rows:,} | {asked:.2f} | {worked[0]:.0f} | {worked[1]:.0f} |"


def measured(place: Installation, scale: float) -> Iterator[str]:
    fresh = memory_mb(place)
    year = Year(place, scale)
    say("filled")
    before, pages = sizes(), timed(place, year)
    used = memory_mb(place)
    say("pages before")
    nightly()
    vacuum("VACUUM ANALYZE")
    night = sizes()
    say("nightly work")
    pages_after = timed(place, year)
    say("pages after")
    yield "## Nightly work\n"
    yield "| cleaning | rows | seconds |\n|---|--:|--:|"
    for run in CleaningRun.objects.order_by("-removed_in_all"):
        yield f"| {CLEANINGS[run.name].title} | {run.removed_in_all:,} | {run.took_ms / 1000:.1f} |"
    deletions = list(lines_of_deletions(year))
    vacuum("VACUUM FULL")
    yield "\n## Sizes\n"
    yield "Deleted rows leave room in the files, which new rows fill: PostgreSQL returns it to the disk only from the"
    yield "end of a file. The last column is measured after `VACUUM FULL`, and after the deletions below.\n"
    yield from lines_of_sizes(before, (night, sizes()))
    yield "\n## Pages and searches\n"
    yield from lines_of_pages(pages, pages_after)
    yield f"\nThe web process has {fresh} MB when it starts, {used} MB after all of the pages above, and"
    yield f"{memory_mb(place)} MB at the end.\n"
    yield "## Deletions\n"
    yield from deletions


def _longest(year: Year) -> UUID:
    """Add a conversation with very many turns."""
    session = Session.objects.create(user=User.objects.get(username="others"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chat_turn (id, session_id, message_id, text, filters, created_at) "
            "SELECT gen_random_uuid(), %s, n::text, '?', '{}', now() FROM generate_series(1, %s) n",
            [session.pk, year.many(20_000)],
        )
        cursor.execute(
            "UPDATE chat_turn SET parent_id = found.before FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before "
            "FROM chat_turn WHERE session_id = %s) AS found WHERE found.id = chat_turn.id",
            [session.pk],
        )
        cursor.execute(
            "INSERT INTO chat_answer (id, turn_id, endpoint_name, lane, parameters, status, grounding, text, error, "
            "stop_requested, fence, input_tokens, output_tokens, cost, trace, created_at, has_compact_log) "
            "SELECT gen_random_uuid(), id, 'm', 0, '{}', 'finished', 'none', 'x', '', false, 1, 1, 1, 0, '{}', now(), true "
            "FROM chat_turn WHERE session_id = %s",
            [session.pk],
        )
    return session.pk


def say(what: str) -> None:
    print(f"{what}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate a year of use.")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of rows")
    scale = parser.parse_args().scale
    head = [
        "# A simulated year",
        "",
        f"Made by `python -m benchmarks.year --scale {scale:g}` on {date.today()}; {os.cpu_count()} cores, load average "
        f"at the start {os.getloadavg()[0]:.1f}. {round(scale * ANSWERS):,} answers, {round(scale * ANSWERS) * EVENTS_EACH:,} "
        f"answer events, {round(scale * DOCUMENTS):,} documents, {round(scale * WEBSITES):,} websites, "
        f"{round(scale * AUDIT):,} audit events, {round(scale * LOGINS):,} ended logins, {round(scale * SEARCHES):,} "
        f"searches. Each page was asked for {TIMES} times, one after the other.",
        "",
    ]
    statics.collect()
    with installed(web_processes=1) as place:
        lines = [*head, *measured(place, scale)]
    RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
