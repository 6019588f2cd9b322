"""Cron expressions, zones and the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InvalidField
from serving.schedules.cron import check_cron, check_zone, due_after, first_due, next_runs

# Zone, the day on which an hour (or half of one) is missing, the day on which it comes twice.
CHANGES = [
    ("Europe/Rome", "2026-03-29", "2026-10-25"),
    ("America/New_York", "2026-03-08", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-04-05"),
]


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("30 2 * * *", "30 2 * * *"),
        ("  0   6  *  *  mon-fri ", "0 6 * * mon-fri"),
        ("0 0 1 JAN,jul *", "0 0 1 JAN,jul *"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 0 * * 5L", "0 0 * * 5L"),
        ("*/15 8-18 * * 1-5", "*/15 8-18 * * 1-5"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@Monthly", "0 0 1 * *"),
    ],
)
def test_five_fields_are_taken_and_words_are_written_out(given_text: str, stored: str) -> None:
    assert check_cron(given_text) == stored


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 30 2 * * *", "6 came"),
        ("30 2 * *", "4 came"),
        ("", "0 came"),
        ("@reboot", "“@reboot” is not taken"),
        ("@yearly", "@hourly, @daily, @weekly, @monthly"),
        ("@daily 5", "2 came"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("60 * * * *", "the minute cannot be read"),
        ("* 24 * * *", "the hour cannot be read"),
        ("* * * 13 *", "the month cannot be read"),
        ("* * * * 8", "the day of week cannot be read"),
        ("*/0 * * * *", "the minute cannot be read"),
        ("L * * * *", "the minute cannot be read"),
        ("١ * * * *", "the minute cannot be read"),
        ("0 0 * * LL", "the day of week cannot be read"),
        (5, "A text of five fields"),
        ("* " * 200, "A text of five fields"),
    ],
)
def test_what_is_not_taken_names_the_field(expression: object, said: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_cron(expression)
    assert refused.value.pointer == "/cron"
    assert said in refused.value.detail


@pytest.mark.parametrize("name", ["UTC", "Europe/Rome", "America/Argentina/Ushuaia"])
def test_zones_of_the_tz_database_are_taken(name: str) -> None:
    assert check_zone(name) == name


@pytest.mark.parametrize(
    "name", ["Europe/Roma", "../etc/passwd", "America", "", "\0", 5, "a" * 999]
)
def test_unknown_zones_name_the_field(name: object) -> None:
    with pytest.raises(InvalidField) as refused:
        check_zone(name)
    assert refused.value.pointer == "/timezone"


def test_an_unknown_zone_is_told_the_nearest() -> None:
    with pytest.raises(InvalidField, match="The nearest is “Europe/Rome”"):
        check_zone("Europe/Roma")


@pytest.mark.parametrize(("zone", "gap", "repeat"), CHANGES)
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 2 * * *", "15 1 * * *", "45 1 * * *"])
def test_a_daily_time_runs_once_on_both_change_days(
    zone: str, gap: str, repeat: str, cron: str
) -> None:
    for day in (gap, repeat):
        noon_before = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
        runs = next_runs(cron, zone, noon_before - timedelta(days=1), 3)
        start = datetime.fromisoformat(day).date()
        assert [run.date() - start for run in runs] == [timedelta(days=n) for n in range(3)]


def test_a_time_in_the_gap_runs_right_after_it_and_a_repeated_one_the_first_time() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert [run.isoformat() for run in next_runs("30 2 * * *", "Europe/Rome", before, 2)] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert [run.isoformat() for run in next_runs("30 2 * * *", "Europe/Rome", before, 2)] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


@pytest.mark.parametrize(("zone", "gap", "repeat"), CHANGES)
@pytest.mark.parametrize("cron", ["30 2 * * *", "15 1,2,3 * * *", "*/30 * * * *", "30 * * * *"])
def test_it_does_not_matter_when_ticks_come(zone: str, gap: str, repeat: str, cron: str) -> None:
    for day in (gap, repeat):
        start = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo(zone))
        start = start.astimezone(UTC) - timedelta(hours=12)
        end = start + timedelta(hours=48)
        at_once = until(cron, zone, start, end)
        for minutes in (7, 61):
            assert ticked(cron, zone, start, end, timedelta(minutes=minutes)) == at_once


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from([zone for zone, _, _ in CHANGES]),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
)
def test_every_day_of_the_year_has_one_run(
    zone: str, minute: int, hour: int, start: datetime
) -> None:
    runs = next_runs(f"{minute} {hour} * * *", zone, start.replace(tzinfo=UTC), 30)
    days = [run.date() for run in runs]
    assert days == [days[0] + timedelta(days=n) for n in range(30)]
    assert runs == sorted(set(runs))


def test_first_due_is_in_utc_and_strictly_later() -> None:
    due = datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert first_due("0 6 * * *", "Europe/Rome", due - timedelta(seconds=1)) == due
    assert first_due("0 6 * * *", "Europe/Rome", due) == due + timedelta(days=1)


def until(cron: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    found = []
    for due in due_after(cron, zone, start):
        if due.astimezone(UTC) > end:
            break
        found.append(due.astimezone(UTC))
    return found


def ticked(cron: str, zone: str, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """What is found when the cursor moves on at each tick, whether anything was due or not."""
    found, cursor = [], start
    while cursor < end:
        to = min(cursor + step, end)
        found += until(cron, zone, cursor, to)
        cursor = to
    return found
