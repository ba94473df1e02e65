"""The schedule survives a wrong clock, a second scheduler and a time without workers, and says how it stands."""

from datetime import timedelta

import pytest
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.urls import reverse
from django.utils import timezone

from documents.models import Document
from documents.sources.service import add_website
from ragsite.celery import app
from ragsite.models import Beat, Tick
from ragsite.monitoring.schedule import Scheduler, claim_tick, note_taken, running_beats, schedule_problem
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = timedelta(days=30)


@pytest.fixture
def sent(monkeypatch):
    """Collect what schedulers send, instead of sending it."""
    names = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **_: names.append(entry.name))
    return names


@pytest.fixture
def begin(tmp_path):
    begun = []

    def begin():
        begun.append(Scheduler(app=app, schedule_filename=str(tmp_path / "schedule")))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def run(scheduler, ticks=40):
    for _ in range(ticks):
        scheduler.tick()


def entry(period_s=60, **options):
    return ScheduleEntry(
        name="visit-sources",
        task="t",
        schedule=schedule(timedelta(seconds=period_s)),
        options=options,
        app=app,
    )


def test_times_in_the_future_are_dropped_at_the_start_and_each_task_is_sent_once(begin, sent):
    first = begin()
    run(first)
    for each in first.schedule.values():
        each.last_run_at = timezone.now() + MONTH
    first.close()
    sent.clear()
    Tick.objects.update(sent_at=timezone.now() - MONTH, taken_at=timezone.now() - MONTH)
    run(begin())
    assert sorted(sent) == sorted(app.conf.beat_schedule)


def test_a_clock_that_is_set_back_while_it_runs_is_noticed(begin, sent, monkeypatch):
    scheduler = begin()
    run(scheduler)
    for each in scheduler.schedule.values():
        each.last_run_at = timezone.now() + MONTH
    scheduler._heap = None
    scheduler._ticked_at += MONTH.total_seconds()
    Tick.objects.update(sent_at=timezone.now() + MONTH)
    sent.clear()
    run(scheduler)
    assert sorted(sent) == sorted(app.conf.beat_schedule)


def test_ticks_that_were_missed_are_made_up_once(begin, sent):
    scheduler = begin()
    run(scheduler)
    for each in scheduler.schedule.values():
        each.last_run_at = timezone.now() - MONTH
    scheduler._heap = None
    Tick.objects.update(sent_at=timezone.now() - MONTH)
    sent.clear()
    run(scheduler, 50)
    assert sorted(sent) == sorted(app.conf.beat_schedule)


def test_two_beats_send_each_task_once_and_are_said(client, begin, sent, tmp_path):
    first = begin()
    second = Scheduler(app=app, schedule_filename=str(tmp_path / "other"))
    for each in (*first.schedule.values(), *second.schedule.values()):
        each.last_run_at = timezone.now() - MONTH
    run(first)
    run(second)
    second.close()
    assert sorted(sent) == sorted(app.conf.beat_schedule)
    assert len(running_beats()) == 2
    assert "2 schedulers (beat) run" in schedule_problem()
    assert client.get("/api/v1/health").json()["schedule"] is False
    client.force_login(factories.operator())
    assert "2 schedulers (beat) run" in client.get(reverse("admin:index")).content.decode()


def test_a_beat_that_stopped_is_said_with_its_last_sign_of_life(client, begin, sent):
    run(begin())
    assert schedule_problem() == ""
    assert client.get("/api/v1/health").json()["schedule"] is True
    Beat.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    assert "No scheduler (beat) runs" in schedule_problem()
    told = client.get("/api/v1/health")
    assert (told.status_code, told.json()["schedule"]) == (200, False)
    client.force_login(factories.operator())
    assert "No scheduler (beat) runs" in client.get(reverse("admin:index")).content.decode()


def test_a_tick_is_not_sent_again_while_its_message_may_wait(begin):
    assert claim_tick(entry(60, expires=600))
    Tick.objects.update(sent_at=timezone.now() - timedelta(seconds=120))
    assert not claim_tick(entry(60, expires=600)), "no worker has taken it"
    Tick.objects.update(taken_at=timezone.now())
    assert claim_tick(entry(60, expires=600))
    Tick.objects.update(sent_at=timezone.now() - timedelta(seconds=700), taken_at=None)
    assert claim_tick(entry(60, expires=600)), "its message has expired"


def test_a_worker_that_begins_a_periodic_task_is_noted():
    Tick.objects.create(name="visit-sources", sent_at=timezone.now())

    class Task:
        name = "documents.visit_sources"

        class request:
            is_eager = False

    note_taken(task=Task)
    assert Tick.objects.get().taken_at


def test_every_periodic_message_expires_so_that_none_pile_up():
    for name, each in app.conf.beat_schedule.items():
        assert each["options"]["expires"] <= max(each["schedule"], 30), name


def test_visits_that_did_not_begin_are_counted(client):
    site = add_website(
        factories.workspace(), None, "https://example.org/", schedule="daily", ask_worker=False
    )
    Document.objects.filter(pk=site.pk).update(status="ready")
    assert client.get("/api/v1/health").json()["overdueVisits"] == 0
    site.source.next_visit_at = timezone.now() - timedelta(minutes=10)
    site.source.save()
    told = client.get("/api/v1/health").json()
    assert told["overdueVisits"] == 1
    assert "1 scheduled visits" in " ".join(told["problems"])
