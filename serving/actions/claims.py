"""Taking work: which chunk is next, and what becomes of a lease that ran out.

The order: priority, then the principal with the fewest running chunks, then age. So that it does
not matter how many jobs there are, only the first job of each principal is looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Subquery
from django.db.models.functions import Now

from registry import audit, roles
from registry.actions.row_access import require_rows
from registry.errors import DomainError
from registry.models import DatasetVersion, User
from registry.models.dataset_version import DatasetStatus
from registry.principals import Principal, find_dataset, require
from registry.queue import DRIVE_JOB, enqueue
from serving.actions.batch_asking import column_names
from serving.actions.batch_jobs import error_json, fail_job, rejected_error
from serving.actions.chunk_ends import end_attempt, fail_chunk
from serving.batch import failpoints
from serving.batch import pace as pacing
from serving.batch.columns import kept_columns, require_inputs
from serving.batch.pace import LOSSES_UNGUARDED, MAX_LOSSES, Pace
from serving.batch.ranges import chunk_ranges, effective_chunk_rows
from serving.models import BatchChunk, BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.chunk_attempt import AttemptOutcome
from serving.models.job_states import JobState

# When a job starts, so many workers are called to it.
RINGS = 8
REAPED_AT_ONCE = 100


def claim_next(*, owner: str, pace: Pace) -> BatchChunk | None:
    """Lease the next chunk, starting its job where need be; None when nothing can be claimed."""
    passed: set[UUID] = set()
    while True:
        job = _first_job(passed)
        if job is None:
            return None
        chunk = _claim_of(job, owner, pace)
        if chunk is not None:
            failpoints.reach("claim.leased")
            return chunk
        if job.state == JobState.RUNNING:  # one that could not be started has failed
            passed.add(job.pk)


@transaction.atomic
def _claim_of(job: BatchJob, owner: str, pace: Pace) -> BatchChunk | None:
    if job.state == JobState.QUEUED:
        if not start_job(job):
            return None
        job.state = JobState.RUNNING
    free = job.chunks.claimable().in_row_order().select_for_update(skip_locked=True)
    chunk = free.first()
    if chunk is None or not BatchChunk.objects.lease(chunk, owner=owner, lease_s=pace.lease_s):
        return None
    return BatchChunk.objects.get(pk=chunk.pk)


def start_job(job: BatchJob) -> bool:
    """Move a queued job whose dataset is read to running and make its chunks.

    True when it runs afterwards, whoever started it. A dataset that was rejected or lacks columns,
    or a role that its creator has lost since, fails the job.
    To be called in a transaction.
    """
    read = _rows_of(job)
    if read.status == DatasetStatus.REJECTED:
        fail_job(job, rejected_error(read))
        return False
    try:
        _require_still_allowed(job)
        require_inputs(job.version.parsed_signature, column_names(read))
        kept_columns(job.keep_columns, column_names(read))
    except DomainError as error:
        fail_job(job, error_json(error))
        return False
    rows = read.rows or 0
    size = effective_chunk_rows(rows, job.chunk_rows)
    ranges = chunk_ranges(rows, size)
    moved = BatchJob.objects.move(
        job,
        JobState.RUNNING,
        started_at=Now(),
        rows_total=rows,
        chunk_rows=size,
        chunks_total=len(ranges),
    )
    if not moved:
        return BatchJob.objects.filter(pk=job.pk, state=JobState.RUNNING).exists()
    BatchChunk.objects.bulk_create(
        BatchChunk(job=job, index=index, row_start=part.start, row_stop=part.stop)
        for index, part in enumerate(ranges)
    )
    audit.record(
        None,
        "batch_job.start",
        job,
        before={"state": JobState.QUEUED.value},
        after={"state": JobState.RUNNING.value, "chunks": len(ranges)},
    )
    for _ in ranges[1:RINGS]:
        enqueue(DRIVE_JOB, job.pk)
    return True


def _rows_of(job: BatchJob) -> DatasetVersion:
    """What it reads, without the list of its files: the output of a large job has thousands."""
    rows = DatasetVersion.objects.select_related("dataset").defer("parts", "profile")
    return rows.get(pk=job.dataset_version_id)


def _require_still_allowed(job: BatchJob) -> None:
    """What was allowed at acceptance is asked again where the work begins.

    Raises NotAllowed and DatasetNotFound.
    """
    by = Principal(job.created_by)
    require(by, roles.SCORER, job.model)
    # Found anew: the rows may be stricter by now.
    require_rows(by, find_dataset(by, job.dataset.name))


def reap_expired(*, pace: Pace | None = None) -> int:
    """Take back the leases that ran out; how many there were.

    The chunk is claimable again after a moment, or failed when it lost too many.
    """
    expired = BatchChunk.objects.expired().select_related("job").order_by("lease_until")
    pace = pace or pacing.PACE
    return sum(_reap(chunk, pace) for chunk in list(expired[:REAPED_AT_ONCE]))


def note_death(owner: str, signal: int | None, *, pace: Pace | None = None) -> int:
    """Take back what a process held that has ended for sure, without waiting for its leases.

    ``signal`` is the number of the signal that ended it, None where it is not known. Returns how
    many chunks it held: one at most, where processes end as they should.
    """
    held = BatchChunk.objects.filter(state=ChunkState.LEASED, lease_owner=owner)
    what = f"by signal {signal}" if signal else "before its time"
    reason = f"The worker {owner} was ended {what}."
    pace = pace or pacing.PACE
    return sum(_take_back(chunk, pace, reason=reason, signal=signal) for chunk in list(held))


def _reap(chunk: BatchChunk, pace: Pace) -> bool:
    reason = f"The worker {chunk.lease_owner} was not heard of any more."
    return _take_back(chunk, pace, reason=reason, lease_until__lt=Now())


@transaction.atomic
def _take_back(
    chunk: BatchChunk, pace: Pace, *, reason: str, signal: int | None = None, **still: Any
) -> bool:
    """Make a lost chunk claimable again where it is ``still`` so and held by the same attempt."""
    losses = chunk.losses + 1
    # Job before chunk, as everywhere: two orders would be a deadlock.
    job = BatchJob.objects.select_for_update().get(pk=chunk.job_id)
    mine = BatchChunk.objects.held_by(chunk).filter(**still)
    failpoints.reach(failpoints.REAP)
    if losses >= MAX_LOSSES:
        return fail_chunk(
            job,
            chunk,
            mine,
            AttemptOutcome.LOST,
            {
                "code": "worker-lost",
                "detail": f"{losses} workers ended while they scored the rows from "
                f"{chunk.row_start} on.",
            },
            signal=signal,
        )
    moved = mine.update(
        state=ChunkState.PENDING,
        losses=losses,
        is_guarded=chunk.is_guarded or losses >= LOSSES_UNGUARDED,
        reason=reason,
        lease_until=None,
        lease_owner="",
        not_before=Now() + timedelta(seconds=pace.loss_wait(losses)),
    )
    if moved:
        end_attempt(chunk, AttemptOutcome.LOST, reason=reason, signal=signal)
    return bool(moved)


def claimable_jobs(limit: int) -> list[UUID]:
    """Ids of jobs of which a chunk could be claimed now, each as often as it has such chunks.

    At most ``limit`` of them: so many workers have something to do.
    """
    ripe = BatchChunk.objects.claimable()
    running = BatchJob.objects.unpaused().filter(
        Exists(ripe.filter(job=OuterRef("pk"))), state=JobState.RUNNING
    )
    found: list[UUID] = []
    for job_id in running.order_by("-id").values_list("pk", flat=True)[:limit]:
        left = limit - len(found)
        chunks = ripe.filter(job=job_id).order_by("row_start")[:left]
        found += [job_id] * len(chunks.values_list("pk", flat=True))
    # In the order of an index: no matter which ones.
    queued = BatchJob.objects.startable().order_by("created_by", "-priority", "id")
    return [*found, *queued.values_list("pk", flat=True)[: limit - len(found)]]


def _first_job(passed: Collection[UUID]) -> BatchJob | None:
    mine = BatchJob.objects.filter(created_by=OuterRef("pk")).order_by("-priority", "id")
    if passed:
        mine = mine.exclude(pk__in=passed)
    ripe = BatchChunk.objects.claimable().filter(job=OuterRef("pk"))
    running = mine.unpaused().filter(Exists(ripe), state=JobState.RUNNING, waits_for_rows=False)
    people = User.objects.filter(pk__in=BatchJob.objects.principals())
    firsts = people.order_by().annotate(
        running_job=Subquery(running.values("pk")[:1]),
        queued_job=Subquery(mine.startable().values("pk")[:1]),
    )
    ids = [pk for pair in firsts.values_list("running_job", "queued_job") for pk in pair if pk]
    if not ids:
        return None
    busy = _running_chunks()
    jobs = BatchJob.objects.filter(pk__in=ids).defer("output_columns")
    return min(jobs, key=lambda job: (-job.priority, busy.get(job.created_by_id, 0), job.pk))


def _running_chunks() -> dict[UUID, int]:
    """How many chunks of each principal are worked on; few rows, whatever the table holds."""
    live = BatchChunk.objects.filter(state=ChunkState.LEASED, lease_until__gte=Now())
    counts = live.order_by().values_list("job__created_by").annotate(count=Count("pk"))
    return dict(counts)
