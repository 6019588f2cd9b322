"""Removes the files that attempts have left behind: those that no row names after a day.

Only jobs are looked at that can have any: one of their attempts came to nothing, they were run
again, or cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from registry import storage
from registry.storage.turns import may_remove_files
from serving.batch.names import FOLDER, attempt_of, job_of
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.batch_chunk import ChunkState
from serving.models.batch_job_rows import BatchJobQuerySet
from serving.models.chunk_attempt import AttemptOutcome
from serving.models.job_states import JobState

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
# Who looks every hour need not look at what happened long ago.
LOOKED_AT = timedelta(days=8)


def sweep_orphans(*, older_than: timedelta = KEPT) -> int:
    """Remove the orphans of jobs to which something happened in the last days; how many there were.

    A file is kept that a chunk names, or a version of the job's output (an earlier one, where the
    job was run again), any that an attempt may be about to name, and any that is young. Of a
    cancelled job the rejects are kept, the results that it did not come to the end of are not.
    """
    with may_remove_files() as is_ours:
        return _sweep(timezone.now(), older_than) if is_ours else 0


def _sweep(now: datetime, older_than: timedelta) -> int:
    jobs = _littering(now - LOOKED_AT).order_by().values_list("pk", "state")
    return sum(
        _sweep_job(job_id, state, now - older_than)
        for job_id, state in jobs.iterator(chunk_size=1_000)
    )


def _littering(since: datetime) -> BatchJobQuerySet:
    lost = ChunkAttempt.objects.filter(chunk__job=OuterRef("pk"), ended_at__gte=since)
    return BatchJob.objects.filter(
        Exists(lost.exclude(outcome=AttemptOutcome.DONE))
        | Q(retried_at__gte=since)
        | Q(state=JobState.CANCELLED, finished_at__gte=since)
    )


def _sweep_job(job_id: UUID, state: str, born_before: datetime) -> int:
    old = [found.name for found in _ours(job_id) if found.modified <= born_before]
    if not old:
        return 0
    # Read after the files, and leases before names: what was named in between is then known.
    held = _held(job_id)
    named = _named(job_id, with_results=state != JobState.CANCELLED)
    orphans = [name for name in old if name not in named and attempt_of(name) not in held]
    for name in orphans:
        storage.remove(name)
    if orphans:
        log.info("Removed %s files that no row names of the job %s", len(orphans), job_id)
    return len(orphans)


def _ours(job_id: UUID) -> Iterator[storage.Listed]:
    return (found for found in storage.listed(f"{FOLDER}/{job_id}/") if job_of(found.name))


def _held(job_id: UUID) -> set[tuple[int, int]]:
    """Chunks by index with the attempts that are going on, whose files may be named any moment.

    Their age says nothing where the clocks of machines and storage do not agree.
    """
    leased = BatchChunk.objects.filter(job=job_id, state=ChunkState.LEASED)
    return set(leased.values_list("index", "attempt"))


def _named(job_id: UUID, *, with_results: bool) -> set[str]:
    chunks = BatchChunk.objects.filter(job=job_id)
    named = set(chunks.values_list("rejects_name", flat=True))
    if with_results:
        named |= set(chunks.values_list("output_name", flat=True))
    job = BatchJob.objects.select_related("output__dataset").filter(pk=job_id).first()
    if job is not None and job.output is not None:
        for parts in job.output.dataset.versions.values_list("parts", flat=True):
            named |= {part["name"] for part in parts}
    return named
