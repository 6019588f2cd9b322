"""Schedules: written down, changed, ticked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.errors import (
    DatasetNotFound,
    DomainError,
    InvalidField,
    ModelNotFound,
    NameTaken,
    NotAllowed,
    ScheduleNotFound,
    VersionNotReady,
)
from registry.models import AuditEvent, Grant, ModelVersion
from registry.principals import Principal
from serving.actions import batch_jobs
from serving.actions.schedules import (
    create_schedule,
    delete_schedule,
    find_schedule,
    run_now,
    update_schedule,
)
from serving.actions.ticking import tick
from serving.models import BatchJob, Schedule, ScheduledSlot
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db

# Schedules begin where they are told to in these tests, far from the real clock.
START = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)


def hourly(by: Principal, **values: Any) -> Schedule:
    """Due at every full hour from 01:00 on the first of June 2026 on."""
    given = {"name": "nightly", "model": "churn", "dataset": "customers", "cron": "0 * * * *"}
    schedule = create_schedule(by=by, **(given | values))
    begin(schedule)
    return schedule


def begin(schedule: Schedule) -> None:
    schedule.cursor, schedule.next_due = START, START + timedelta(hours=1)
    schedule.save()


def at(hour: int, minute: int = 0, second: int = 5) -> datetime:
    return START + timedelta(hours=hour, minutes=minute, seconds=second)


def slots(schedule: Schedule) -> list[tuple[int, str, str]]:
    rows = schedule.slots.order_by("due").values_list("due", "state", "reason")
    return [(due.hour, state, reason.partition(":")[0]) for due, state, reason in rows]


def end_jobs() -> None:
    for job in BatchJob.objects.active():
        batch_jobs.cancel_job(by=Principal(job.created_by), job=job)


def test_a_new_schedule_is_first_due_after_now(ana: Principal) -> None:
    given = {"model": "churn", "dataset": "customers"}
    schedule = create_schedule(by=ana, name="hourly", cron="@hourly", **given)
    assert schedule.cron == "0 * * * *"
    assert schedule.cursor <= timezone.now() < schedule.next_due
    assert schedule.next_due - schedule.cursor <= timedelta(hours=1)
    assert tick() == 0


def test_what_is_due_becomes_a_job_of_the_owner(ana: Principal) -> None:
    schedule = hourly(ana, keep_columns=["id"], chunk_rows=5)
    assert tick(at(1)) == 1
    job = BatchJob.objects.get()
    assert (job.created_by, job.keep_columns, job.chunk_rows) == (ana.user, ["id"], 5)
    assert slots(schedule) == [(1, "started", "")]


def test_a_tick_that_comes_twice_makes_one_job(ana: Principal) -> None:
    schedule = hourly(ana, overlap="allow")
    tick(at(1))
    tick(at(1))
    begin(schedule)
    assert tick(at(1)) == 0
    assert BatchJob.objects.count() == 1


def test_a_schedule_that_cannot_be_settled_keeps_no_other_waiting(
    ana: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one whose zone is no longer in the machine's table of zones."""
    first, second = hourly(ana, name="first"), hourly(ana, name="second")
    Schedule.objects.filter(pk=first.pk).update(timezone="Nowhere/Gone", next_due=START)
    now = START + timedelta(hours=1)

    assert tick(now) == 1

    assert (first.slots.count(), second.slots.count()) == (0, 1)
    assert str(first.pk) in caplog.text
    assert Schedule.objects.get(pk=first.pk).next_due > timezone.now()
    assert tick(now) == 0
    Schedule.objects.filter(pk=first.pk).update(timezone="UTC", next_due=now)
    assert tick(now) == 1
    assert first.slots.get().due == now


def test_nothing_is_due_before_its_time(ana: Principal) -> None:
    hourly(ana)
    assert tick(at(0, 59)) == 0


def test_a_run_that_overlaps_is_skipped_with_its_reason(ana: Principal) -> None:
    schedule = hourly(ana)
    tick(at(1))
    tick(at(2))
    assert slots(schedule) == [(1, "started", ""), (2, "skipped", "overlap")]
    end_jobs()
    assert tick(at(3)) == 1


def test_a_run_that_overlaps_waits_for_its_turn(ana: Principal) -> None:
    schedule = hourly(ana, overlap="queue")
    tick(at(1))
    tick(at(2))
    tick(at(3))
    assert slots(schedule) == [(1, "started", ""), (2, "waiting", ""), (3, "waiting", "")]
    end_jobs()
    assert tick(at(3, 1)) == 1
    assert [state for _, state, _ in slots(schedule)] == ["started", "started", "waiting"]
    assert tick(at(3, 2)) == 0


def test_not_more_than_a_hundred_runs_wait(ana: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.actions.ticking.MAX_WAITING", 1)
    schedule = hourly(ana, overlap="queue")
    for hour in (1, 2, 3):
        tick(at(hour))
    assert slots(schedule)[-1] == (3, "skipped", "overlap")


def test_runs_may_overlap_where_they_are_allowed_to(ana: Principal) -> None:
    hourly(ana, overlap="allow")
    assert [tick(at(hour)) for hour in (1, 2, 3)] == [1, 1, 1]


def test_missed_runs_are_skipped_each_with_a_slot(ana: Principal) -> None:
    schedule = hourly(ana)
    assert tick(at(4, 30)) == 0
    assert slots(schedule) == [(hour, "skipped", "missed") for hour in (1, 2, 3, 4)]


def test_missed_runs_are_made_up_for_by_one(ana: Principal) -> None:
    schedule = hourly(ana, missed="run-once")
    assert tick(at(4, 30)) == 1
    assert [state for _, state, _ in slots(schedule)] == ["skipped"] * 3 + ["started"]


def test_a_long_silence_is_settled_in_several_ticks(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.actions.ticking.MAX_PER_TICK", 3)
    schedule = hourly(ana, missed="run-once")
    assert [tick(at(7, 30)) for _ in range(4)] == [0, 0, 1, 0]
    assert [state for _, state, _ in slots(schedule)] == ["skipped"] * 6 + ["started"]


def test_a_run_that_is_refused_says_why(ana: Principal) -> None:
    schedule = hourly(ana)
    ModelVersion.objects.update(status="archived")
    assert tick(at(1)) == 0
    (slot,) = schedule.slots.all()
    assert slot.reason == "version-not-servable: churn version 1 is archived."


def test_an_owner_without_rights_runs_nothing_any_more(ana: Principal) -> None:
    schedule = hourly(ana)
    Grant.objects.all().delete()
    assert tick(at(1)) == 0
    assert slots(schedule) == [(1, "skipped", "model-not-found")]


def test_the_ref_is_resolved_at_each_run(ana: Principal) -> None:
    hourly(ana, overlap="allow")
    tick(at(1))
    first = ModelVersion.objects.get()
    second = ModelVersion.objects.create(
        **{
            f.name: getattr(first, f.name)
            for f in ModelVersion._meta.fields
            if f.name not in ("id", "number")
        },
        number=2,
    )
    first.model.aliases.update(version=second)
    tick(at(2))
    assert list(BatchJob.objects.order_by("id").values_list("version__number", flat=True)) == [1, 2]


def test_a_disabled_schedule_rests_and_makes_nothing_up(ana: Principal) -> None:
    schedule = hourly(ana, missed="run-once")
    update_schedule(by=ana, schedule=schedule, enabled=False)
    assert tick(at(4)) == 0
    schedule = update_schedule(by=ana, schedule=schedule, enabled=True)
    assert schedule.next_due > timezone.now()
    assert not schedule.slots.exists()


def test_other_times_count_from_now(ana: Principal) -> None:
    schedule = update_schedule(by=ana, schedule=hourly(ana), cron="0 6 * * *", timezone="UTC")
    assert schedule.next_due.hour == 6
    assert schedule.next_due > timezone.now()


def test_run_now_makes_the_job_of_whoever_presses(ana: Principal) -> None:
    schedule = hourly(ana)
    ben = ledger.person("ben")
    ledger.grant(ben, "scorer", schedule.model)
    ledger.grant(ben, "viewer", schedule.dataset)
    first, second = (run_now(by=ben, schedule=schedule) for _ in range(2))
    assert (first.created_by, second.created_by) == (ben.user, ben.user)
    assert list(schedule.slots.values_list("is_manual", "state")) == [(True, "started")] * 2


def test_a_deleted_schedule_is_gone_and_its_name_is_not_used_again(ana: Principal) -> None:
    schedule = hourly(ana)
    tick(at(1))
    delete_schedule(by=ana, schedule=schedule)
    with pytest.raises(ScheduleNotFound):
        find_schedule(ana, "nightly")
    assert tick(at(2)) == 0
    assert ScheduledSlot.objects.count() == 1
    with pytest.raises(NameTaken):
        hourly(ana, name="Nightly")


@pytest.mark.parametrize(
    ("values", "error", "pointer"),
    [
        ({"cron": "0 0 30 2 *"}, InvalidField, "/cron"),
        ({"timezone": "Mars/Base"}, InvalidField, "/timezone"),
        ({"overlap": "never"}, InvalidField, "/overlap"),
        ({"missed": "run_once"}, InvalidField, "/missed"),
        ({"enabled": "yes"}, InvalidField, "/enabled"),
        ({"name": "a/b"}, InvalidField, "/name"),
        ({"keep_columns": ["nope"]}, InvalidField, "/keep_columns/0"),
        ({"model": "churn@3"}, InvalidField, "/model"),
        ({"model": "nothing"}, ModelNotFound, None),
        ({"dataset": "nothing"}, DatasetNotFound, None),
    ],
)
def test_what_cannot_be_scheduled_is_refused_at_once(
    ana: Principal, values: dict[str, Any], error: type[DomainError], pointer: str | None
) -> None:
    with pytest.raises(error) as refused:
        hourly(ana, **values)
    assert getattr(refused.value, "pointer", None) == pointer
    assert not Schedule.objects.exists()


def test_a_model_without_a_ready_version_cannot_be_scheduled(ana: Principal) -> None:
    ModelVersion.objects.update(status="pending")
    with pytest.raises(VersionNotReady):
        hourly(ana)


def test_only_its_creator_or_a_publisher_changes_a_schedule(ana: Principal) -> None:
    schedule = hourly(ana)
    ben, eva = ledger.person("ben"), ledger.person("eva")
    for principal, role in ((ben, "scorer"), (eva, "publisher")):
        ledger.grant(principal, role, schedule.model)
        ledger.grant(principal, "viewer", schedule.dataset)
    with pytest.raises(NotAllowed):
        update_schedule(by=ben, schedule=schedule, enabled=False)
    with pytest.raises(NotAllowed):
        delete_schedule(by=ben, schedule=schedule)
    assert not update_schedule(by=eva, schedule=schedule, enabled=False).enabled


def test_every_change_is_audited_with_what_changed(ana: Principal) -> None:
    schedule = hourly(ana)
    update_schedule(by=ana, schedule=schedule, cron="0 6 * * *", missed="run-once")
    update_schedule(by=ana, schedule=schedule, missed="run-once")
    delete_schedule(by=ana, schedule=schedule)
    events = AuditEvent.objects.filter(object_kind="schedule").order_by("id")
    assert [event.action for event in events] == [
        "schedule.create",
        "schedule.update",
        "schedule.delete",
    ]
    assert events[1].before == {"cron": "0 * * * *", "missed": "skip"}
    assert events[1].after == {"cron": "0 6 * * *", "missed": "run-once"}


def test_whose_role_is_for_everything_sees_every_schedule(ana: Principal) -> None:
    schedule = hourly(ana)
    assert find_schedule(ledger.person("chief", superuser=True), "nightly") == schedule
    mate = ledger.person("mate")
    ledger.grant(mate, "viewer", schedule.model)
    with pytest.raises(ScheduleNotFound):
        find_schedule(mate, "nightly")
    ledger.grant(mate, "viewer", schedule.dataset)
    assert find_schedule(mate, "nightly") == schedule
