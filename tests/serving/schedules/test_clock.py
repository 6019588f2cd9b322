"""Clocks: changes of summer time, silence, steps, and two beats: each due time exactly one slot."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from registry.principals import Principal
from serving.actions import batch_jobs
from serving.actions.schedules import create_schedule
from serving.actions.ticking import tick
from serving.models import BatchJob, Schedule, ScheduledSlot
from tests.serving.batch import ledger

# Zone, a time of day in the gap of the spring change, one in the repeated hour of the autumn
# change, and both days.
ZONES = [
    ("Europe/Rome", "30 2", "30 2", date(2027, 3, 28), date(2027, 10, 31)),
    ("America/New_York", "30 2", "30 1", date(2027, 3, 14), date(2027, 11, 7)),
    ("Australia/Lord_Howe", "15 2", "45 1", date(2027, 10, 3), date(2027, 4, 4)),
]
CHANGES = [
    pytest.param(zone, time, day, id=f"{zone} {day}")
    for zone, gap, twice, spring, autumn in ZONES
    for time, day in ((gap, spring), (twice, autumn))
]
START = datetime(2026, 6, 1, tzinfo=UTC)


def made(by: Principal, cron: str, begin: datetime, name: str = "s", **values: Any) -> Schedule:
    """A schedule whose cursor stands at ``begin``; runs may overlap."""
    given = {"model": "churn", "dataset": "customers", "overlap": "allow"} | values
    schedule = create_schedule(by=by, name=name, cron=cron, **given)
    schedule.cursor = schedule.next_due = begin
    schedule.save()
    return schedule


def dues(schedule: Schedule) -> list[datetime]:
    return list(schedule.slots.order_by("due").values_list("due", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "time", "day"), CHANGES)
def test_a_daily_run_is_made_once_on_the_days_the_clocks_change(
    ana: Principal, zone: str, time: str, day: date
) -> None:
    begin = datetime.combine(day - timedelta(days=2), datetime.min.time(), ZoneInfo(zone))
    schedule = made(ana, f"{time} * * *", begin, timezone=zone)

    for quarter in range(4 * 24 * 4):
        tick(begin.astimezone(UTC) + timedelta(minutes=15 * quarter, seconds=7))

    days = [due.astimezone(ZoneInfo(zone)).date() for due in dues(schedule)]
    assert days == [day + timedelta(days=n) for n in (-2, -1, 0, 1)]
    assert set(schedule.slots.values_list("state", flat=True)) == {"started"}
    assert BatchJob.objects.count() == 4


@pytest.mark.django_db
@pytest.mark.parametrize(("missed", "jobs"), [("skip", 6), ("run-once", 6)])
def test_after_ten_minutes_of_silence_each_due_time_has_one_slot(
    ana: Principal, missed: str, jobs: int
) -> None:
    schedule = made(ana, "* * * * *", START, missed=missed)
    assert tick(START + timedelta(seconds=70)) == 1

    tick(START + timedelta(minutes=11, seconds=10))

    assert dues(schedule) == [START + timedelta(minutes=n) for n in range(1, 12)]
    late = schedule.slots.filter(state="skipped").order_by("due")
    assert [slot.due.minute for slot in late] == [2, 3, 4, 5, 6]
    assert all(slot.reason.startswith("missed") for slot in late)
    assert BatchJob.objects.count() == jobs


@pytest.mark.django_db
def test_a_clock_that_steps_back_and_forth_doubles_nothing(ana: Principal) -> None:
    schedule = made(ana, "* * * * *", START)
    for minutes in (1, 2, 4, 1, 0, 3, 5, 2, 6):
        tick(START + timedelta(minutes=minutes, seconds=10))

    assert dues(schedule) == [START + timedelta(minutes=n) for n in range(1, 7)]
    assert BatchJob.objects.count() == 6


@pytest.mark.postgres
def test_two_beats_at_once_make_one_slot_for_each_due_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_jobs, "enqueue", lambda *_: None)  # nobody is there to hear it
    ana = ledger.person("ana")
    ledger.ready_version(ana)
    ledger.dataset_of(ana, ledger.people_rows(10))
    for number in range(40):
        made(ana, "* * * * *", START, name=f"s{number}")
    errors: list[BaseException] = []

    def beat() -> None:
        try:
            for minute in range(1, 6):
                tick(START + timedelta(minutes=minute, seconds=10))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    beats = [threading.Thread(target=beat) for _ in range(2)]
    for thread in beats:
        thread.start()
    for thread in beats:
        thread.join()
    tick(START + timedelta(minutes=5, seconds=20))

    assert errors == []
    slots = Counter(ScheduledSlot.objects.values_list("schedule", "due"))
    assert len(slots) == 40 * 5
    assert set(slots.values()) == {1}
    started = ScheduledSlot.objects.filter(state="started")
    assert started.count() == BatchJob.objects.count() == 200
