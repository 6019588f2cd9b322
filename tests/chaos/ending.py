"""The end of a chaos run: schedules are settled, jobs come to their ends, receivers are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from itertools import takewhile
from typing import Any

from tests.services.processes import wait_until


def end_schedules() -> tuple[list[Any], list[Any]]:
    """Settle what is due, then no more; the slots that there must be, and those that may be."""
    from django.db import connection

    from registry.principals import Principal
    from serving.actions.schedules import update_schedule
    from serving.actions.ticking import tick
    from serving.models import Schedule
    from serving.models.clock import database_now
    from serving.schedules.cron import due_after

    # PostgreSQL may have been killed under this session.
    connection.close()
    until = database_now()
    wait_until(lambda: has_settled(until, tick), 20, "the schedules are settled")
    due: list[Any] = []
    maybe_due: list[Any] = []
    for schedule in Schedule.objects.select_related("created_by", "model"):
        update_schedule(by=Principal(schedule.created_by), schedule=schedule, enabled=False)
        begun, ended = schedule.created_at, database_now()
        instants = takewhile(
            lambda at, ended=ended: at <= ended, due_after(schedule.cron, schedule.timezone, begun)
        )
        for at in instants:
            (due if at <= until else maybe_due).append((schedule.name, at.isoformat()))
    return due, maybe_due


def has_settled(until: datetime, tick: Any) -> bool:
    """Whether every cursor has come to that time."""
    from serving.models import Schedule

    tick()
    return not Schedule.objects.filter(next_due__lte=until).exists()


def wait_for_end(say: Callable[[str], None], *, patience_s: float, most_s: float) -> bool:
    """Until no job is active, no chunk leased, nobody left to be told; False when nothing moves.

    A slow machine may take its time, up to ``most_s``, as long as attempts end.
    """
    from registry.models import WebhookDelivery
    from serving.models import BatchChunk, BatchJob, ChunkAttempt

    def is_over() -> bool:
        held = BatchChunk.objects.filter(state="leased")
        untold = WebhookDelivery.objects.filter(state="waiting")
        return not (BatchJob.objects.active().exists() or held.exists() or untold.exists())

    def left() -> str:
        """What there is to wait for, for who reads of it."""
        chunks = BatchChunk.objects.filter(job__in=BatchJob.objects.active()).exclude(state="done")
        untold = WebhookDelivery.objects.filter(state="waiting")
        jobs = BatchJob.objects.active().count()
        return f"{jobs} jobs with {chunks.count()} chunks, {untold.count()} calls"

    def ends() -> int:
        told = WebhookDelivery.objects.exclude(state="waiting")
        return ChunkAttempt.objects.count() + told.count()

    began_s = moved_s = time.monotonic()
    ended = 0
    while not is_over():
        now_s, before, ended = time.monotonic(), ended, ends()
        moved_s = now_s if ended != before else moved_s
        if now_s > min(moved_s + patience_s, began_s + most_s):
            say(f"after {now_s - began_s:.0f} s are left: {left()}")
            return False
        time.sleep(0.2)
    say(f"the last job has ended {time.monotonic() - began_s:.1f} s later")
    return True
