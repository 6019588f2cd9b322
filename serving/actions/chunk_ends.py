"""The ends of an attempt that did not come to its commit, each one fenced update.

Given back, failed, refused, cut into pieces: where it finds no row, somebody else has moved on and
nothing is written. The job is locked before the chunk, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now

from serving.actions.batch_jobs import fail_job
from serving.batch.ranges import RowRange
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.batch_chunk import ChunkState
from serving.models.chunk_attempt import AttemptOutcome
from serving.models.job_states import JobState

REASON_MAX_CHARS = 500
# What may be megabytes, such as the list of an output's files, and few moves ask for.
_HEAVY = (
    "report",
    *(f"version__{name}" for name in ("signature", "facts", "declared_signature")),
    *(f"dataset_version__{name}" for name in ("columns", "profile", "parts", "errors")),
    *(f"output__{name}" for name in ("columns", "profile", "parts", "errors")),
)


@transaction.atomic
def give_back(
    chunk: BatchChunk,
    outcome: AttemptOutcome,
    *,
    reason: str,
    wait_s: float,
    failures: int = 0,
    paused_reason: str = "",
) -> bool:
    """Return a chunk to pending for another attempt after ``wait_s``; False without the fence.

    ``failures`` is added to the chunk's count. With a ``paused_reason`` the whole job waits so
    long, and shows it.
    """
    job = running_job(chunk)
    ripe_at = Now() + timedelta(seconds=wait_s)
    moved = BatchChunk.objects.held_by(chunk).update(
        state=ChunkState.PENDING,
        failures=F("failures") + failures,
        reason=reason[:REASON_MAX_CHARS],
        lease_until=None,
        lease_owner="",
        not_before=ripe_at,
    )
    if moved:
        end_attempt(chunk, outcome, reason=reason)
        if job is not None and paused_reason:
            paused = {"paused_reason": paused_reason, "paused_until": ripe_at}
            BatchJob.objects.filter(pk=job.pk).update(**paused)
    return bool(moved)


@transaction.atomic
def fail_held_chunk(chunk: BatchChunk, error: Mapping[str, Any]) -> bool:
    """The chunk cannot be scored: it and its job are failed. False without the fence."""
    job = running_job(chunk)
    if job is None:
        return False
    held = BatchChunk.objects.held_by(chunk)
    return fail_chunk(job, chunk, held, AttemptOutcome.ERROR, error)


@transaction.atomic
def refuse_chunk(chunk: BatchChunk, error: Mapping[str, Any]) -> bool:
    """A row was refused in a job that takes no bad ones. False without the fence.

    No later chunk is worked on any more. Earlier ones are: the job fails when all of them are
    done, or with an earlier row; so the same row is named whichever a worker meets first.
    """
    job = running_job(chunk)
    held = BatchChunk.objects.held_by(chunk)
    failed: dict[str, Any] = {
        "state": ChunkState.FAILED,
        "lease_until": None,
        "lease_owner": "",
    }
    reason = str(error.get("detail", ""))[:REASON_MAX_CHARS]
    if job is None or not held.update(reason=reason, **failed):
        return False
    later = job.chunks.filter(row_start__gt=chunk.row_start).filter(
        state__in=(ChunkState.PENDING, ChunkState.LEASED)
    )
    count = later.update(reason="An earlier row was refused.", **failed)
    BatchJob.objects.filter(pk=job.pk).update(
        chunks_failed=F("chunks_failed") + 1 + count, error=dict(error)
    )
    end_attempt(chunk, AttemptOutcome.ERROR, reason=reason)
    fail_when_known(job, error)
    return True


def fail_chunk(
    job: BatchJob,
    chunk: BatchChunk,
    rows: QuerySet[BatchChunk],
    outcome: AttemptOutcome,
    error: Mapping[str, Any],
    *,
    signal: int | None = None,
) -> bool:
    """Fail the chunk that ``rows`` still finds, and its job with it. Within a transaction."""
    reason = str(error.get("detail", ""))[:REASON_MAX_CHARS]
    if not rows.update(state=ChunkState.FAILED, reason=reason, lease_until=None, lease_owner=""):
        return False
    BatchJob.objects.filter(pk=job.pk).update(chunks_failed=F("chunks_failed") + 1)
    end_attempt(chunk, outcome, reason=reason, signal=signal)
    fail_job(job, error)
    return True


@transaction.atomic
def split_chunk(
    chunk: BatchChunk,
    pieces: Sequence[RowRange],
    *,
    reason: str,
    outcome: AttemptOutcome = AttemptOutcome.SPLIT,
    failures: Mapping[int, int] | None = None,
    wait_s: float = 0.0,
) -> bool:
    """Replace a leased chunk by several that cover the same rows; False without the fence.

    ``failures`` carries a count over to the piece of that position.
    """
    if running_job(chunk) is None:
        return False
    carried = failures or {}
    ripe_at = Now() + timedelta(seconds=wait_s)
    moved = BatchChunk.objects.held_by(chunk).update(
        state=ChunkState.PENDING,
        row_stop=pieces[0].stop,
        failures=carried.get(0, 0),
        reason=reason[:REASON_MAX_CHARS],
        lease_until=None,
        lease_owner="",
        not_before=ripe_at,
    )
    if not moved:
        return False
    last = BatchChunk.objects.filter(job=chunk.job_id).aggregate(last=Max("index"))["last"]
    BatchChunk.objects.bulk_create(
        BatchChunk(
            job_id=chunk.job_id,
            index=last + position,
            row_start=piece.start,
            row_stop=piece.stop,
            failures=carried.get(position, 0),
            is_guarded=chunk.is_guarded,
            not_before=ripe_at,
        )
        for position, piece in enumerate(pieces[1:], start=1)
    )
    jobs = BatchJob.objects.filter(pk=chunk.job_id)
    jobs.update(chunks_total=F("chunks_total") + len(pieces) - 1)
    end_attempt(chunk, outcome, reason=reason)
    return True


def end_attempt(
    chunk: BatchChunk, outcome: AttemptOutcome, *, reason: str = "", signal: int | None = None
) -> None:
    """Write down how an attempt ended; with what it took where it was ours."""
    facts = {} if chunk.facts is None else chunk.facts()
    ChunkAttempt.objects.create(
        chunk=chunk,
        attempt=chunk.attempt,
        worker=chunk.lease_owner,
        started_at=chunk.claimed_at,
        outcome=outcome,
        reason=reason[:REASON_MAX_CHARS],
        signal=signal,
        **facts,
    )


def fail_when_known(job: BatchJob, error: Mapping[str, Any]) -> None:
    """Fail the job with the row that was refused, unless an earlier one may still be found."""
    under_way = (ChunkState.PENDING, ChunkState.LEASED)
    if not job.chunks.filter(state__in=under_way).exists():
        fail_job(job, error)


def running_job(chunk: BatchChunk) -> BatchJob | None:
    """The chunk's job, locked, if it runs."""
    rows = (
        BatchJob.objects.select_for_update(of=("self",))
        .select_related(
            "model", "dataset", "dataset_version", "created_by", "version", "output__dataset"
        )
        .defer(*_HEAVY)
    )
    return rows.filter(pk=chunk.job_id, state=JobState.RUNNING).first()
