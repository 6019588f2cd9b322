"""Schedules as people handle them: write one down, change it, delete it, run it now.

Who may what: a schedule is made by who could ask for its batch job now (scorer on the model,
viewer on the dataset). It is changed, and deleted, by its creator or a publisher of the model.
Its jobs run as its creator, whose rights are looked at again each time: where they are gone, the
slot is skipped and says so. Run-now runs as whoever presses it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from registry import audit, roles
from registry.actions import fields
from registry.errors import InvalidField, NameTaken, ScheduleNotFound, StateConflict
from registry.principals import Principal, get_visible, require
from serving.actions.batch_asking import Asked, resolve_asked
from serving.actions.batch_jobs import create_job
from serving.models import BatchJob, Schedule, ScheduledSlot
from serving.models.clock import database_now
from serving.models.schedule import Missed, Overlap
from serving.models.scheduled_slot import SlotState
from serving.schedules.cron import check_cron, check_zone, first_due

# What its batch job is asked with, and when it runs.
JOB_FIELDS = (
    "model",
    "dataset",
    "source",
    "sink",
    "version",
    "outputs",
    "keep_columns",
    "on_row_error",
    "chunk_rows",
    "priority",
    "compare_with",
)
TIME_FIELDS = ("cron", "timezone", "overlap", "missed", "enabled")


@transaction.atomic
def create_schedule(*, by: Principal, name: str, cron: object, **values: Any) -> Schedule:
    """Write a schedule down; its first run is the first instant after now.

    ``values``: model, dataset or source, and any of ``JOB_FIELDS`` and ``TIME_FIELDS``. Raises
    InvalidField with the field's pointer, NameTaken (names are never used again), and what asking
    for the job would raise.
    """
    fields.check_name(name)
    asked = resolve_asked(by, **{k: v for k, v in values.items() if k in JOB_FIELDS})
    schedule = Schedule(name=name, created_by=by.user, cron=check_cron(cron))
    _take_job(schedule, asked, values)
    _take_times(schedule, values)
    _restart(schedule)
    taken = f"There is, or was, a schedule “{name}” already; names ignore case."
    if Schedule.objects.named(name).exists():
        raise NameTaken(taken)
    try:
        with transaction.atomic():
            schedule.save(force_insert=True)
    except IntegrityError:
        raise NameTaken(taken) from None
    audit.record(by, "schedule.create", schedule, after=_summary(schedule))
    return schedule


@transaction.atomic
def update_schedule(*, by: Principal, schedule: Schedule, **values: Any) -> Schedule:
    """Change any of ``JOB_FIELDS`` and ``TIME_FIELDS``.

    With other times, or when it is enabled again, it starts from now: nothing is made up for.
    """
    _require_hand(by, schedule)
    schedule = _locked(schedule)
    before = _summary(schedule)
    if set(values) & set(JOB_FIELDS):
        asked = _completed(schedule, {k: v for k, v in values.items() if k in JOB_FIELDS})
        _take_job(schedule, resolve_asked(by, **(schedule.job_options() | asked)), asked)
    old_times = (schedule.cron, schedule.timezone, schedule.enabled)
    if "cron" in values:
        schedule.cron = check_cron(values["cron"])
    _take_times(schedule, values)
    if (schedule.cron, schedule.timezone, schedule.enabled) != old_times:
        _restart(schedule)
    after = _summary(schedule)
    changed = {key for key in after if after[key] != before[key]}
    if changed:
        schedule.save()
        audit.record(
            by,
            "schedule.update",
            schedule,
            before={key: before[key] for key in sorted(changed)},
            after={key: after[key] for key in sorted(changed)},
        )
    return schedule


@transaction.atomic
def delete_schedule(*, by: Principal, schedule: Schedule) -> None:
    """Take a schedule away. Its row stays and holds the name; its jobs and slots stay too."""
    _require_hand(by, schedule)
    schedule = _locked(schedule)
    schedule.enabled = False
    schedule.next_due = None
    schedule.deleted_at = database_now()
    schedule.save()
    _skip_waiting(schedule, "the schedule was deleted")
    audit.record(by, "schedule.delete", schedule, before=_summary(schedule))


@transaction.atomic
def run_now(*, by: Principal, schedule: Schedule) -> BatchJob:
    """Make the job at once, as ``by``, whatever runs already; its slot says that it was by hand."""
    schedule = _locked(schedule)
    job = create_job(by=by, **schedule.job_options())
    due = database_now()
    while schedule.slots.filter(due=due).exists():
        due += timedelta(microseconds=1)
    ScheduledSlot.objects.create(
        schedule=schedule,
        due=due,
        state=SlotState.STARTED,
        is_running=True,
        job=job,
        is_manual=True,
    )
    audit.record(by, "schedule.run_now", schedule, after={"job": str(job.pk)})
    return job


def find_schedule(principal: Principal, name: str) -> Schedule:
    """The schedule with this name. Raises ScheduleNotFound, also for one that may not be seen."""
    rows = Schedule.objects.visible_to(principal).named(name)
    rows = rows.select_related("model", "dataset", "created_by")
    return get_visible(rows, ScheduleNotFound, f"schedule “{name[:100]}”")


def _skip_waiting(schedule: Schedule, reason: str) -> None:
    schedule.slots.waiting().update(state=SlotState.SKIPPED, reason=reason)


def _completed(schedule: Schedule, asked: dict[str, Any]) -> dict[str, Any]:
    """A change with what follows from it: what it replaces is there no longer."""
    gone: dict[str, Any] = {}
    if "model" in asked:
        # Numbers that were meant for the old one say nothing; aliases do.
        gone["version"] = None
        if not schedule.compare_with.startswith("@"):
            gone["compare_with"] = None
    if asked.get("dataset") is not None:
        gone["source"] = None
    if asked.get("source") is not None:
        gone["dataset"] = None
    return gone | asked


def _take_job(schedule: Schedule, asked: Asked, values: dict[str, Any]) -> None:
    schedule.model = asked.version.model
    schedule.model_ref = values.get("model", schedule.model_ref)
    schedule.dataset = asked.read.dataset if asked.read else None
    schedule.dataset_ref = (values.get("dataset", schedule.dataset_ref) or "") if asked.read else ""
    schedule.source = asked.source
    schedule.sink = asked.sink.to_json() if asked.sink else None
    schedule.priority = asked.priority
    compared = values.get("compare_with", schedule.compare_with)
    schedule.compare_with = "" if compared is None else str(compared)
    schedule.version_number = values.get("version", schedule.version_number)
    schedule.chunk_rows = values.get("chunk_rows", schedule.chunk_rows)
    schedule.outputs = asked.outputs
    schedule.keep_columns = asked.keep_columns
    schedule.on_row_error = asked.on_row_error


def _take_times(schedule: Schedule, values: dict[str, Any]) -> None:
    if "timezone" in values:
        schedule.timezone = check_zone(values["timezone"])
    if "overlap" in values:
        choices = list(Overlap.values)
        schedule.overlap = fields.check_choice(values["overlap"], choices, pointer="/overlap")
    if "missed" in values:
        choices = list(Missed.values)
        schedule.missed = fields.check_choice(values["missed"], choices, pointer="/missed")
    if "enabled" in values:
        if not isinstance(values["enabled"], bool):
            raise InvalidField("true or false was expected.", pointer="/enabled")
        schedule.enabled = values["enabled"]
        if not schedule.enabled and not schedule._state.adding:
            _skip_waiting(schedule, "the schedule was disabled")


def _restart(schedule: Schedule) -> None:
    """Count from now on."""
    schedule.cursor = database_now()
    schedule.next_due = None
    if schedule.enabled:
        schedule.next_due = first_due(schedule.cron, schedule.timezone, schedule.cursor)


def _locked(schedule: Schedule) -> Schedule:
    rows = Schedule.objects.kept().select_for_update(of=("self",))
    found = rows.select_related("model", "dataset", "created_by").filter(pk=schedule.pk).first()
    if found is None:
        raise StateConflict("The schedule was deleted meanwhile.")
    return found


def _require_hand(by: Principal, schedule: Schedule) -> None:
    role = roles.SCORER if schedule.created_by_id == by.user.pk else roles.PUBLISHER
    require(by, role, schedule.model)


def _summary(schedule: Schedule) -> dict[str, Any]:
    times = {key: getattr(schedule, key) for key in TIME_FIELDS}
    return times | schedule.job_options()
