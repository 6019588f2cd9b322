"""Schedules and their slots as JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.kinds import Kind, add_kind, to_many, to_one
from registry.api.shapes import NAME_OR_ROW, Flag, NameOrRow, Out, Text
from registry.principals import Principal
from serving.api.batch_requests import JobOptions
from serving.batch.columns import KEEP_ALL
from serving.models import Schedule, ScheduledSlot
from serving.models.schedule import Missed, Overlap
from serving.models.scheduled_slot import SlotState
from serving.schedules.cron import WRITTEN_OUT, next_runs


class SchedulePatch(JobOptions):
    """What may change on a schedule."""

    model = Text(required=False, help_text="A name, or `name@alias`; resolved at each run.")
    cron = Text(
        required=False,
        help_text=f"Five fields; names and `L` are taken, and {', '.join(WRITTEN_OUT)}.",
    )
    timezone = Text(required=False, help_text="Of the tz database; `UTC` when left out.")
    overlap = Text(required=False, help_text=f"One of {', '.join(Overlap.values)}.")
    missed = Text(required=False, help_text=f"One of {', '.join(Missed.values)}.")
    enabled = Flag(required=False)


class ScheduleIn(SchedulePatch):
    """A batch job that runs at certain times."""

    name = Text()
    model = Text(help_text="A name, or `name@alias`; resolved at each run.")
    cron = Text(help_text=f"Five fields; names and `L` are taken, and {', '.join(WRITTEN_OUT)}.")


class ScheduleOut(Out):
    """A schedule. ``next_runs`` are the next five, with the offset of its zone.

    They are empty where it is not enabled. ``model`` and ``dataset`` stand as they were written;
    ``dataset`` is null where it reads a ``source``. ``error`` says why the last run could not be
    started, ``error_at`` when; both are null when it could.
    """

    kind_key = "schedule"

    id = serializers.UUIDField()
    name = serializers.CharField()
    model = NameOrRow(source="model_ref")
    version = serializers.IntegerField(source="version_number", allow_null=True)
    dataset = serializers.SerializerMethodField()
    source = serializers.DictField(  # type: ignore[assignment]  # a field, not the argument
        allow_null=True, help_text="Where its rows are read from at each run."
    )
    sink = serializers.DictField(
        allow_null=True, help_text="The table that the results go to as well."
    )
    outputs = serializers.ListField(child=serializers.CharField(), allow_null=True)
    keep_columns = serializers.SerializerMethodField()
    on_row_error = serializers.CharField()
    chunk_rows = serializers.IntegerField(allow_null=True)
    priority = serializers.IntegerField()
    compare_with = serializers.SerializerMethodField()
    cron = serializers.CharField()
    timezone = serializers.CharField()
    overlap = serializers.ChoiceField(choices=Overlap.choices)
    missed = serializers.ChoiceField(choices=Missed.choices)
    enabled = serializers.BooleanField()
    next_runs = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    error_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def path_of(self, row: Schedule) -> str:
        """The path of the schedule."""
        return f"/schedules/{row.name}"

    def neighbours(self, row: Schedule) -> dict[str, str | None]:
        """What it runs, and what came of it."""
        path = self.path_of(row)
        return {
            "model": f"/models/{row.model.name}",
            "dataset": f"/datasets/{row.dataset.name}" if row.dataset else None,
            "slots": f"{path}/slots",
            "batch_jobs": f"/batch-jobs?schedule={row.name}",
            "run_now": f"{path}/run-now",
        }

    @extend_schema_field(NAME_OR_ROW)
    def get_dataset(self, row: Schedule) -> str | None:
        """As it was written; null where a source is read."""
        return row.dataset_ref or None

    @extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]})
    def get_compare_with(self, row: Schedule) -> int | str | None:
        """The number of a version, or `@alias`; null for none."""
        is_number = row.compare_with.isdigit()
        return int(row.compare_with) if is_number else row.compare_with or None

    def get_error(self, row: Schedule) -> str | None:
        """Why the last run could not be started."""
        return row.error or None

    @extend_schema_field(
        {"oneOf": [{"const": KEEP_ALL}, {"type": "array", "items": {"type": "string"}}]}
    )
    def get_keep_columns(self, row: Schedule) -> str | list[str]:
        """``"all"`` or names."""
        return KEEP_ALL if row.keep_columns is None else list(row.keep_columns)

    @extend_schema_field({"type": "array", "items": {"type": "string", "format": "date-time"}})
    def get_next_runs(self, row: Any) -> list[str]:
        """The next five instants, RFC 3339 with the zone's offset."""
        if not row.enabled:
            return []
        return [due.isoformat() for due in next_runs(row.cron, row.timezone, row.now)]


class SlotOut(Out):
    """One due time and what became of it; ``reason`` says why it was skipped."""

    kind_key = "slot"

    id = serializers.UUIDField()
    schedule = NameOrRow(source="schedule.name")
    due = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=SlotState.choices)
    reason = serializers.CharField()
    is_manual = serializers.BooleanField()
    batch_job = serializers.SerializerMethodField()

    def path_of(self, row: ScheduledSlot) -> str:
        """The path of the list that it stands in."""
        return f"/schedules/{row.schedule.name}/slots"

    def neighbours(self, row: ScheduledSlot) -> dict[str, str | None]:
        """Its schedule and its job."""
        return {
            "schedule": f"/schedules/{row.schedule.name}",
            "batch_job": f"/batch-jobs/{row.job_id}" if row.job_id else None,
        }

    @extend_schema_field(NAME_OR_ROW)
    def get_batch_job(self, row: ScheduledSlot) -> str | None:
        """The id of its job; null where there is none."""
        return str(row.job_id) if row.job_id else None


def visible_schedules(by: Principal) -> QuerySet[Schedule]:
    """Visible schedules with all that writing them out needs."""
    rows = Schedule.objects.visible_to(by).select_related("model", "dataset", "created_by")
    return rows.annotate(now=Now())


def visible_slots(by: Principal) -> QuerySet[ScheduledSlot]:
    """The slots of visible schedules."""
    schedules = Schedule.objects.visible_to(by).order_by()
    return ScheduledSlot.objects.filter(schedule__in=schedules).select_related("schedule")


add_kind(
    Kind(
        "schedule",
        ScheduleOut,
        visible_schedules,
        {
            "model": to_one("model", "model"),
            "dataset": to_one("dataset", "dataset"),
            "slots": to_many("slot", "schedule"),
        },
    )
)
add_kind(
    Kind(
        "slot",
        SlotOut,
        visible_slots,
        {"schedule": to_one("schedule", "schedule"), "batch_job": to_one("batch-job", "job")},
    )
)
