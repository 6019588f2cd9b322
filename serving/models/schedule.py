"""When a batch job runs: cron with a zone, and what to do when runs overlap or were missed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models.base import TimeOrdered, is_named, name_field, one_of, unique_ignoring_case
from registry.models.visibility import visible_models
from serving.batch.columns import KEEP_ALL, OnRowError
from serving.models.batch_job_rows import visible_or_own

if TYPE_CHECKING:
    from registry.principals import Principal


class Overlap(models.TextChoices):
    """What happens to a run that is due while an earlier one is active."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"


class Missed(models.TextChoices):
    """What happens to runs that were due while nothing ticked."""

    SKIP = "skip"
    RUN_ONCE = "run-once"


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Schedules by who sees them and when they are due."""

    def kept(self) -> ScheduleQuerySet:
        """Those that were not deleted. A deleted one holds its name for ever."""
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, principal: Principal) -> ScheduleQuerySet:
        """Those whose model the principal sees, and whose dataset too unless it is theirs."""
        return self.kept().filter(
            visible_models(principal, "model__") & visible_or_own(principal, "dataset__")
        )

    def named(self, name: str) -> ScheduleQuerySet:
        """The one with this name, ignoring case."""
        return self.filter(is_named(name))

    def due(self, now: datetime) -> ScheduleQuerySet:
        """Enabled ones with an instant that has come."""
        return self.kept().filter(enabled=True, next_due__lte=now)


class Schedule(TimeOrdered):
    """A batch job to be, and its times.

    ``model_ref`` and ``dataset_ref`` are resolved anew at each run, as its owner; ``model`` and
    ``dataset`` are what they named when they were written. ``cursor`` is the instant up to which
    everything due has its slot; ``next_due`` the first instant after it, null for a disabled one.
    It reads a dataset, or with ``source`` what a query or a folder holds at that time. ``error``
    says why its last turn came to nothing, at ``error_at``; empty and null when it went well.
    """

    name = name_field()
    model = models.ForeignKey("registry.RegisteredModel", models.PROTECT, related_name="schedules")
    model_ref = models.CharField(max_length=200)
    version_number = models.PositiveIntegerField(null=True, blank=True)
    dataset = models.ForeignKey(
        "registry.Dataset", models.PROTECT, null=True, blank=True, related_name="schedules"
    )
    dataset_ref = models.CharField(max_length=200, blank=True)
    source = models.JSONField(null=True, blank=True)
    sink = models.JSONField(null=True, blank=True)
    outputs = models.JSONField(null=True, blank=True)
    keep_columns = models.JSONField(null=True, blank=True)
    on_row_error = models.CharField(
        max_length=8, choices=[(c.value, c.value) for c in OnRowError], default="reject"
    )
    chunk_rows = models.PositiveIntegerField(null=True, blank=True)
    priority = models.SmallIntegerField(default=0)
    # Another version that answers the same rows, as it was asked: a number or @alias; empty: none.
    compare_with = models.CharField(max_length=64, blank=True)
    cron = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC")
    overlap = models.CharField(max_length=8, choices=Overlap.choices, default=Overlap.SKIP)
    missed = models.CharField(max_length=8, choices=Missed.choices, default=Missed.SKIP)
    enabled = models.BooleanField(default=True)
    cursor = models.DateTimeField()
    next_due = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="schedules"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    error_at = models.DateTimeField(null=True, blank=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            unique_ignoring_case("schedule_name_once"),
            one_of("overlap", Overlap.values, "schedule_overlap_known"),
            one_of("missed", Missed.values, "schedule_missed_known"),
            one_of("on_row_error", [c.value for c in OnRowError], "schedule_on_row_error_known"),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | Q(enabled=False),
                name="schedule_deleted_is_disabled",
            ),
            models.CheckConstraint(
                condition=(Q(dataset__isnull=False, source__isnull=True) & ~Q(dataset_ref=""))
                | Q(dataset__isnull=True, dataset_ref="", source__isnull=False),
                name="schedule_reads_one_thing",
            ),
        ]
        indexes = [
            models.Index(fields=["next_due"], name="schedule_by_due"),
            models.Index(fields=["model", "-id"], name="schedule_by_model"),
        ]

    def __str__(self) -> str:
        return self.name

    def job_options(self) -> dict[str, Any]:
        """What its batch job is asked with."""
        return {
            "model": self.model_ref,
            "dataset": self.dataset_ref or None,
            "source": self.source,
            "sink": self.sink,
            "version": self.version_number,
            "outputs": self.outputs,
            "keep_columns": KEEP_ALL if self.keep_columns is None else self.keep_columns,
            "on_row_error": self.on_row_error,
            "chunk_rows": self.chunk_rows,
            "priority": self.priority,
            "compare_with": self.compare_with or None,
        }

    @property
    def reads(self) -> str:
        """What it reads, in words: a dataset, a connection or a folder."""
        source = self.source or {}
        if "connection" in source:
            return f"a query of {source['connection']}"
        return str(source.get("prefix") or self.dataset_ref)
