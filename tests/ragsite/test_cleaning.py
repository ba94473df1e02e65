"""What grows with use has an end, and cleanings are seen in the console."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings as real_settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone

from accounts import cleaning as accounts
from accounts.deletion import AT_ONCE
from accounts.models import AuditEvent, record
from core.db.cascade import PART
from documents.ingestion import ledger_trimming
from documents.models import BatchEntry, Document, LedgerEntry, Upload
from documents.sources.cleaning import GONE_KEPT
from documents.sources.service import add_website
from ragsite.cleaning import runs
from ragsite.cleaning.runs import CLEANINGS, clean
from ragsite.models import CleaningRun
from tests import factories
from workspaces.engines import NewChunk, engine_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    client.force_login(factories.operator())
    return client


def logins(count, ended):
    ends = timezone.now() - ended
    Session.objects.bulk_create(
        Session(session_key=f"{ended.days}-{number}", session_data="x", expire_date=ends)
        for number in range(count)
    )


def attempts(document, count, outcome="failed", **fields):
    stages = (Document.Stage.EXTRACT, Document.Stage.EMBED)
    LedgerEntry.objects.bulk_create(
        LedgerEntry(document=document, attempt=number, stage=stage, outcome=outcome, **fields)
        for number in range(count)
        for stage in stages
    )


def test_every_cleaning_has_a_schedule():
    assert CLEANINGS.keys() == real_settings.CLEANINGS.keys()
    planned = real_settings.CELERY_BEAT_SCHEDULE
    assert {planned[f"clean-{name}"]["args"][0] for name in CLEANINGS} == CLEANINGS.keys()


def test_ended_logins_go_and_others_stay(client):
    client.force_login(factories.user())
    logins(1200, timedelta(days=30))
    assert clean("logins")
    assert Session.objects.count() == 1
    assert CleaningRun.objects.get().removed == 1200
    clean("logins")
    run = CleaningRun.objects.get()
    assert (run.removed, run.removed_in_all, run.error) == (0, 1200, "")
    assert client.get(reverse("workspaces")).status_code == 200


def test_a_long_cleaning_ends_after_its_time_and_the_next_run_goes_on(monkeypatch):
    logins(1200, timedelta(days=30))
    monkeypatch.setattr(runs, "TURN_S", 0)
    assert not clean("logins")
    assert 0 < Session.objects.count() < 1200
    assert not CleaningRun.objects.get().is_complete
    monkeypatch.undo()
    assert clean("logins")
    assert not Session.objects.exists()


def test_audit_events_stay_for_ever_unless_a_retention_period_is_set(settings):
    record(None, "a", "old")
    record(None, "a", "new")
    AuditEvent.objects.filter(subject="old").update(at=timezone.now() - timedelta(days=4000))
    clean("audit-log")
    assert AuditEvent.objects.count() == 2
    settings.AUDIT_KEPT_DAYS = 365
    clean("audit-log")
    assert AuditEvent.objects.get().subject == "new"


def test_recent_actions_go_after_a_while():
    user = factories.operator()
    for days in (1, 100):
        row = LogEntry.objects.create(user=user, object_repr="x", action_flag=2, change_message="")
        LogEntry.objects.filter(pk=row.pk).update(action_time=timezone.now() - timedelta(days=days))
    clean("admin-log")
    assert LogEntry.objects.count() == 1


def test_a_long_ledger_keeps_its_last_stages_the_first_of_each_kind_and_what_runs():
    workspace = factories.workspace()
    long, short = factories.document(workspace), factories.document(workspace)
    attempts(long, 1, "done")
    attempts(long, 1, "running")
    attempts(long, 2000)
    attempts(short, 100)
    first = list(LedgerEntry.objects.filter(document=long).order_by("pk")[:6])
    last = list(LedgerEntry.objects.filter(document=long).order_by("-pk")[: ledger_trimming.KEPT])
    clean("ledgers")
    assert set(long.ledger.all()) == {*first, *last}
    assert short.ledger.count() == 200
    before = CleaningRun.objects.get().removed_in_all
    clean("ledgers")
    assert CleaningRun.objects.get().removed_in_all == before


def test_batches_of_a_document_are_trimmed_too():
    document = factories.document(factories.workspace())
    BatchEntry.objects.bulk_create(
        BatchEntry(document=document, attempt=1, ordinal=number, chunk_count=1, embedded_count=1, took_ms=1)
        for number in range(1500)
    )
    clean("ledgers")
    assert document.batches.count() == ledger_trimming.BATCHES_KEPT
    assert document.batches.first().ordinal == 500


def test_the_page_of_a_document_with_thousands_of_attempts_shows_the_last_ones(client, operator):
    workspace = factories.workspace()
    document = factories.document(workspace)
    attempts(document, 4000)
    page = operator.get(reverse("document", args=[workspace.pk, document.pk])).content.decode()
    assert len(page) < 150_000
    assert page.count('class="run"') == 30
    assert "the last 30 attempts" in page
    assert "?earlier=yes#ledger" in page
    clean("ledgers")
    url = reverse("document", args=[workspace.pk, document.pk])
    page = operator.get(f"{url}?earlier=yes").content.decode()
    assert page.count('class="run"') > 90
    assert "Show earlier" not in page


def test_the_admin_page_of_a_document_with_thousands_of_attempts_is_short(operator):
    document = factories.document(factories.workspace())
    attempts(document, 2000)
    page = operator.get(reverse("admin:documents_document_change", args=[document.pk])).content.decode()
    assert page.count("Embedding") < 60


def test_the_console_shows_each_cleaning_with_its_last_run(operator):
    logins(7, timedelta(days=30))
    clean("logins")
    clean("searches")
    CleaningRun.objects.filter(name="searches").update(ran_at=timezone.now() - timedelta(days=1))
    panel = next(
        each for each in operator.get(reverse("admin:index")).context["panels"] if each.title == "Cleaning up"
    )
    assert [(each.value, each.tone) for each in panel.figures[:3]] == [("1", ""), ("0", ""), ("1", "warn")]
    page = operator.get(reverse("admin:ragsite_cleaningrun_changelist")).content.decode()
    assert "Login sessions that have ended" in page
    assert '<td class="field-removed">7</td>' in page


def test_a_cleaning_that_fails_says_why(operator, monkeypatch):
    def fail():
        yield 3
        raise DatabaseError("disk full")

    broken = runs.Cleaning("Broken", fail)
    monkeypatch.setitem(runs.CLEANINGS, "logins", broken)
    with pytest.raises(DatabaseError):
        clean("logins")
    run = CleaningRun.objects.get()
    assert (run.removed, run.error) == (3, "disk full")


def test_unused_terms_go_and_the_counts_of_others_stay():
    workspace = factories.workspace()
    engine = engine_for(workspace)
    for number, text in enumerate(("pump valve", "valve bolt")):
        document = UUID(int=number)
        engine.stage(document, [NewChunk(0, text, bytes([number]), 0, 0, len(text))], [[1, 0, 0]])
        engine.publish(document, 1)
    engine.forget(UUID(int=0))
    clean("terms")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT term, amount FROM chunks.t_{workspace.pk.hex} WHERE term <> ' '")
        terms = dict(cursor.fetchall())
    assert not [term for term, amount in terms.items() if not amount]
    assert terms[""] == 1
    assert [term for term in terms if term.startswith("bolt")]
    assert not [term for term in terms if term.startswith("pump")]


def test_addresses_of_pages_that_are_gone_are_forgotten_after_half_a_year():
    source = add_website(factories.workspace(), None, "https://example.com/", ask_worker=False).source
    source.addresses.all().delete()
    for url, state, days in (("/old", "gone", 200), ("/new", "gone", 10), ("/read", "done", 200)):
        looked = timezone.now() - timedelta(days=days)
        source.addresses.create(url=f"https://example.com{url}", state=state, fetched_at=looked)
    clean("addresses")
    assert {each.url.rsplit("/")[-1] for each in source.addresses.all()} == {"new", "read"}


# --- the guide --------------------------------------------------------------------------------------


@pytest.fixture
def page(root):
    return (root / "docs" / "guide" / "what_grows.md").read_text()


def listed(page, heading):
    """Return the end of each thing in the table below this heading."""
    table = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.+) \|$", table, re.MULTILINE)
    return {name: end for names, end in rows for name in re.findall("`([^`]+)`", names)}


def test_the_guide_has_an_end_or_a_reason_for_every_model(page):
    models = {model._meta.label for model in apps.get_models(include_auto_created=True)}
    named = listed(page, "Tables")
    assert {
        name for name in named if name[0].islower() and "." in name and not name.startswith("chunks")
    } == models
    assert all(len(end) > 5 for end in named.values())


def test_the_guide_has_every_table_of_the_database(page):
    factories.workspace()
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    known |= {name for name in listed(page, "Tables") if "." not in name}
    kinds = {name.removeprefix("chunks.").removesuffix("…") for name in listed(page, "Tables") if "…" in name}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            r" AND schemaname NOT LIKE 'pg\_temp\_%'"  # of a session, which they end with
        )
        tables = cursor.fetchall()
    unlisted = [
        (schema, name)
        for schema, name in tables
        if not (name in known if schema == "public" else schema == "chunks" and name[:2] in kinds)
    ]
    assert len(tables) > len(known)
    assert unlisted == []


def test_the_guide_has_the_periods_of_the_code(page):
    ends = listed(page, "Tables")
    assert f"{accounts.DELETIONS_KEPT.days} days" in ends["accounts.Deletion"]
    assert f"{accounts.ADMIN_LOG_KEPT.days} days" in ends["admin.LogEntry"]
    assert f"{ledger_trimming.KEPT} stages" in ends["documents.LedgerEntry"]
    assert f"{ledger_trimming.BATCHES_KEPT:,}" in ends["documents.BatchEntry"]
    assert f"{GONE_KEPT.days} days" in ends["documents.Address"]
    assert f"{Upload.LIFETIME // timedelta(hours=1)} hours" in ends["documents.Upload"]
    assert f"{real_settings.SEARCHES_KEPT_DAYS} if not set" in ends["documents.Search"]
    assert f"more than a {'thousand' if AT_ONCE == 1000 else AT_ONCE} rows" in page
    assert f"most {PART} rows" in page
