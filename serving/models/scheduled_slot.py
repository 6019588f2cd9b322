"""One due time of a schedule and what became of it: unique, so that two ticks make one job."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models.base import TimeOrdered, one_of
from serving.models.batch_job import BatchJob
from serving.models.schedule import Schedule


class SlotState(models.TextChoices):
    """Waiting: it runs when the earlier one has ended (overlap: queue)."""

    STARTED = "started"
    WAITING = "waiting"
    SKIPPED = "skipped"


class ScheduledSlotQuerySet(models.QuerySet["ScheduledSlot"]):
    """Slots by what became of them."""

    def waiting(self) -> ScheduledSlotQuerySet:
        """Those whose job is still to be made."""
        return self.filter(state=SlotState.WAITING)

    def running(self) -> ScheduledSlotQuerySet:
        """Those whose job has not ended."""
        return self.filter(is_running=True)


class ScheduledSlot(TimeOrdered):
    """``due`` is the instant in UTC; ``is_manual`` where somebody pressed run-now.

    ``is_running`` is written with the moves of its job: true from its start until it has ended.
    """

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="slots")
    due = models.DateTimeField()
    state = models.CharField(max_length=8, choices=SlotState.choices)
    reason = models.TextField(blank=True)
    job = models.ForeignKey(BatchJob, models.PROTECT, null=True, blank=True, related_name="slots")
    is_manual = models.BooleanField(default=False)
    is_running = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    objects = ScheduledSlotQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            one_of("state", SlotState.values, "slot_state_known"),
            models.UniqueConstraint(fields=["schedule", "due"], name="slot_once_per_due"),
            models.CheckConstraint(
                condition=Q(state="started", job__isnull=False)
                | (~Q(state="started") & Q(job__isnull=True)),
                name="slot_started_has_job",
            ),
            models.CheckConstraint(
                condition=~Q(state="skipped") | ~Q(reason=""), name="slot_skipped_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(is_running=False) | Q(state="started"), name="slot_running_has_started"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "schedule", "due"], name="slot_by_state"),
            # Few rows, however long a schedule has been there.
            models.Index(fields=["schedule"], condition=Q(is_running=True), name="slot_running"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule.name} at {self.due:%Y-%m-%dT%H:%MZ}"
