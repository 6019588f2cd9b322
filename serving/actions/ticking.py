"""The tick: makes jobs of what is due. Safe to run twice, and two may run at once:

1. lock a schedule that is due; who finds it locked leaves it alone;
2. all instants since its cursor, up to now, in its zone;
3. missed-run policy, then overlap policy; each instant gets its slot, with a job or a reason;
4. the cursor moves; slots, jobs and cursor are one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from registry.errors import DomainError
from registry.principals import Principal
from serving.actions.batch_jobs import create_job
from serving.models import Schedule, ScheduledSlot
from serving.models.clock import database_now
from serving.models.schedule import Missed, Overlap
from serving.models.scheduled_slot import SlotState
from serving.schedules.cron import due_after, first_due
from serving.schedules.due import MAX_PER_TICK, Decision, decide

log = logging.getLogger(__name__)

SETTLED_PER_TICK = 500
PUT_OFF = timedelta(minutes=5)
# With overlap "queue" so many runs wait; what comes then is skipped.
MAX_WAITING = 100


def tick(now: datetime | None = None) -> int:
    """Settle all that is due; how many jobs were made. ``now`` None is the database's now."""
    moment = now or database_now()
    waiting = ScheduledSlot.objects.waiting().order_by().values("schedule").distinct()
    started = sum(_apart(_start_waiting, pk) for (pk,) in waiting.values_list("schedule"))
    due = Schedule.objects.due(moment).order_by("next_due").values_list("pk", flat=True)
    for pk in list(due[:SETTLED_PER_TICK]):
        started += _apart(partial(_settle, now=moment), pk)
    return started


def _apart(step: Callable[[UUID], int], schedule_id: UUID) -> int:
    """One schedule's step. What is wrong with one keeps no other from its turn.

    It is put off for a while, so that it is not the first to be looked at each time; its cursor
    stands, and nothing that is due is forgotten. Raises what says that the database is away.
    """
    try:
        return step(schedule_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("The schedule %s could not be settled", schedule_id)
        schedule = Schedule.objects.filter(pk=schedule_id)
        schedule.filter(next_due__isnull=False).update(next_due=Now() + PUT_OFF)
        _tell(schedule_id, f"internal: {type(error).__name__}; the server's log says more")
        return 0


@transaction.atomic
def _settle(schedule_id: UUID, now: datetime) -> int:
    """Steps 1 to 4 of the module's docstring for one schedule; how many jobs were made."""
    rows = Schedule.objects.due(now).select_for_update(skip_locked=True, of=("self",))
    schedule = rows.select_related("created_by").filter(pk=schedule_id).first()
    if schedule is None:
        return 0
    coming = due_after(schedule.cron, schedule.timezone, schedule.cursor)
    due = list(islice(takewhile(lambda instant: instant <= now, coming), MAX_PER_TICK + 1))
    is_last_pass = len(due) <= MAX_PER_TICK
    due = due[:MAX_PER_TICK]
    run_once = schedule.missed == Missed.RUN_ONCE
    decisions = decide(due, now, run_once=run_once, is_last_pass=is_last_pass)
    known = set(schedule.slots.filter(due__in=due).values_list("due", flat=True))
    made = sum(_take_slot(schedule, d) for d in decisions if d.due not in known)
    schedule.cursor = now if is_last_pass else due[-1]
    schedule.next_due = first_due(schedule.cron, schedule.timezone, schedule.cursor)
    schedule.save(update_fields=["cursor", "next_due"])
    return made


def _take_slot(schedule: Schedule, decision: Decision) -> bool:
    """Write one slot; True where it made a job."""
    slot = ScheduledSlot(schedule=schedule, due=decision.due)
    if decision.skip_reason:
        return _skip(slot, decision.skip_reason)
    if schedule.overlap == Overlap.ALLOW or not _is_busy(schedule):
        return _start(slot)
    if schedule.overlap == Overlap.SKIP:
        return _skip(slot, "overlap: an earlier run has not ended")
    if schedule.slots.waiting().count() >= MAX_WAITING:
        return _skip(slot, f"overlap: {MAX_WAITING} runs wait already")
    slot.state = SlotState.WAITING
    slot.save()
    return False


@transaction.atomic
def _start_waiting(schedule_id: UUID) -> bool:
    """Start the oldest slot that waits, if nothing runs any more; True where it made a job."""
    rows = Schedule.objects.select_for_update(skip_locked=True, of=("self",))
    schedule = rows.select_related("created_by").filter(pk=schedule_id).first()
    if schedule is None or schedule.slots.running().exists():
        return False
    slot = schedule.slots.waiting().order_by("due").first()
    return slot is not None and _start(slot)


def _start(slot: ScheduledSlot) -> bool:
    """Make the slot's job as the schedule's creator; what is refused is the reason to skip."""
    owner = Principal(slot.schedule.created_by)
    try:
        with transaction.atomic():
            slot.job = create_job(by=owner, **slot.schedule.job_options())
    except DomainError as error:
        reason = f"{error.code}: {error.detail}"
        _tell(slot.schedule_id, reason)
        return _skip(slot, reason)
    _tell(slot.schedule_id, "")
    slot.state, slot.is_running = SlotState.STARTED, True
    slot.save()
    return True


def _tell(schedule_id: UUID, error: str) -> None:
    """Write why a turn came to nothing, on the schedule itself; empty that it went well."""
    rows = Schedule.objects.filter(pk=schedule_id)
    if error:
        rows.update(error=error, error_at=Now())
    else:
        rows.exclude(error="").update(error="", error_at=None)


def _skip(slot: ScheduledSlot, reason: str) -> bool:
    slot.state = SlotState.SKIPPED
    slot.reason = reason
    slot.save()
    return False


def _is_busy(schedule: Schedule) -> bool:
    """Whether a run is active, or waits and comes first."""
    return schedule.slots.running().exists() or schedule.slots.waiting().exists()
