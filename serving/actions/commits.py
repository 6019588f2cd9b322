"""The moves that end an attempt at a chunk, each one fenced update in one transaction.

A chunk's commit:

1. lock the job, which must be running; so the last of two chunks that end at once sees the other;
2. the chunk becomes done where the attempt is still ours, with names, digests and counts;
3. the job counts its rows; all chunks must have answered in the same columns;
4. with the last chunk the job is finished: output dataset, lineage, state.

Where any of it finds no row, somebody else has moved on and nothing is written.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum
from django.db.models.functions import Now

from registry import audit
from registry.actions.datasets import create_output
from registry.models import Dataset, DatasetVersion
from registry.models.dataset_version import DatasetStatus
from registry.models.registered_model import Classification
from serving.actions.batch_jobs import column_names, fail_job
from serving.batch import failpoints
from serving.batch.columns import columns_without_rows, kept_columns
from serving.batch.ranges import RowRange
from serving.batch.writer import Written
from serving.models import BatchChunk, BatchJob, ChunkAttempt
from serving.models.batch_chunk import ChunkState
from serving.models.batch_job import JobState
from serving.models.chunk_attempt import AttemptOutcome

REASON_MAX_CHARS = 500


class ColumnsChanged(Exception):
    """The chunk's result has other columns than the chunks before it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file under its name in the storage."""

    name: str
    written: Written


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What an attempt brings: files (None where there is no row), counts, columns as JSON."""

    results: Published | None
    rejects: Published | None
    rows_out: int
    rows_rejected: int
    columns: Sequence[Mapping[str, Any]] | None

    @property
    def names(self) -> list[str]:
        """The files that this attempt has published."""
        return [file.name for file in (self.results, self.rejects) if file]


@transaction.atomic
def commit_chunk(chunk: BatchChunk, result: ChunkResult) -> bool:
    """Make an attempt's result the chunk's, as the module's docstring says.

    False when the fence was lost: then the caller removes its own files. Raises ColumnsChanged.
    """
    job = _running(chunk)
    if job is None or not _mark_done(chunk, result):
        return False
    failpoints.reach("commit.fenced")
    columns = job.output_columns
    if result.columns is not None:
        if columns is not None and columns != list(result.columns):
            raise ColumnsChanged("The model answered in other columns than for other rows.")
        columns = list(result.columns)
    BatchJob.objects.filter(pk=job.pk).update(
        rows_done=F("rows_done") + result.rows_out + result.rows_rejected,
        rows_rejected=F("rows_rejected") + result.rows_rejected,
        output_columns=columns,
        paused_reason="",
    )
    end_attempt(chunk, AttemptOutcome.DONE)
    unfinished = (ChunkState.PENDING, ChunkState.LEASED, ChunkState.FAILED)
    if not job.chunks.filter(state__in=unfinished).exists():
        _finish(job)
    failpoints.reach("commit.before")
    return True


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

    ``failures`` is added to the chunk's count; ``paused_reason`` is shown on the job meanwhile.
    """
    job = _running(chunk)
    moved = BatchChunk.objects.held_by(chunk).update(
        state=ChunkState.PENDING,
        failures=F("failures") + failures,
        reason=reason[:REASON_MAX_CHARS],
        lease_until=None,
        lease_owner="",
        not_before=Now() + timedelta(seconds=wait_s),
    )
    if moved:
        end_attempt(chunk, outcome, reason=reason)
        if job is not None and paused_reason:
            BatchJob.objects.filter(pk=job.pk).update(paused_reason=paused_reason)
    return bool(moved)


@transaction.atomic
def fail_held_chunk(chunk: BatchChunk, error: Mapping[str, Any]) -> bool:
    """The chunk cannot be scored: it and its job are failed. False without the fence."""
    job = _running(chunk)
    if job is None:
        return False
    held = BatchChunk.objects.held_by(chunk)
    return fail_chunk(job, chunk, held, AttemptOutcome.ERROR, error)


def fail_chunk(
    job: BatchJob,
    chunk: BatchChunk,
    rows: QuerySet[BatchChunk],
    outcome: AttemptOutcome,
    error: Mapping[str, Any],
) -> bool:
    """Fail the chunk that ``rows`` still finds, and its job with it. Within a transaction."""
    reason = str(error.get("detail", ""))[:REASON_MAX_CHARS]
    if not rows.update(state=ChunkState.FAILED, reason=reason, lease_until=None, lease_owner=""):
        return False
    end_attempt(chunk, outcome, reason=reason)
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
    if _running(chunk) is None:
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
            not_before=ripe_at,
        )
        for position, piece in enumerate(pieces[1:], start=1)
    )
    end_attempt(chunk, outcome, reason=reason)
    return True


def end_attempt(chunk: BatchChunk, outcome: AttemptOutcome, *, reason: str = "") -> None:
    """Write down how an attempt ended; with processor time and memory where it was ours."""
    started = chunk.cpu_started_s
    ChunkAttempt.objects.create(
        chunk=chunk,
        attempt=chunk.attempt,
        worker=chunk.lease_owner,
        started_at=chunk.claimed_at,
        outcome=outcome,
        reason=reason[:REASON_MAX_CHARS],
        cpu_s=None if started is None else round(time.thread_time() - started, 3),
        max_memory_bytes=None if started is None else _max_memory_bytes(),
    )


def _running(chunk: BatchChunk) -> BatchJob | None:
    """The chunk's job, locked, if it runs."""
    rows = BatchJob.objects.select_for_update(of=("self",)).select_related(
        "model", "dataset", "dataset_version", "created_by", "version"
    )
    return rows.filter(pk=chunk.job_id, state=JobState.RUNNING).first()


def _mark_done(chunk: BatchChunk, result: ChunkResult) -> bool:
    files: dict[str, Any] = {}
    if result.results:
        files = {
            "output_name": result.results.name,
            "output_sha256": result.results.written.sha256,
            "output_bytes": result.results.written.size_bytes,
        }
    if result.rejects:
        files["rejects_name"] = result.rejects.name
        files["rejects_sha256"] = result.rejects.written.sha256
    return bool(
        BatchChunk.objects.held_by(chunk).update(
            state=ChunkState.DONE,
            rows_out=result.rows_out,
            rejects=result.rows_rejected,
            reason="",
            lease_until=None,
            **files,
        )
    )


def _finish(job: BatchJob) -> None:
    """All chunks are done: the output becomes a dataset version and the job ends."""
    failpoints.reach("finish.before")
    done = job.chunks.in_row_order()
    totals = done.aggregate(
        out=Sum("rows_out"), rejected=Sum("rejects"), size_bytes=Sum("output_bytes")
    )
    parts = [
        {"name": name, "sha256": sha256, "rows": rows}
        for name, sha256, rows in done.exclude(output_name="").values_list(
            "output_name", "output_sha256", "rows_out"
        )
    ]
    job.refresh_from_db(fields=["output_columns"])
    output = _output_version(job, parts, totals["out"], totals["size_bytes"])
    failpoints.reach("finish.output")
    to = JobState.COMPLETED_WITH_REJECTS if totals["rejected"] else JobState.COMPLETED
    BatchJob.objects.move(job, to, output=output, finished_at=Now(), paused_reason="")
    audit.record(
        None,
        "batch_job.complete",
        job,
        before={"state": JobState.RUNNING.value},
        after={"state": to.value, "rows_rejected": totals["rejected"], "output": str(output)},
    )


def _output_version(
    job: BatchJob, parts: list[dict[str, Any]], rows: int, size_bytes: int
) -> DatasetVersion:
    """The output as a new dataset, or as its next version where the job was run again."""
    known = Dataset.objects.filter(name=job.output_name).first()
    if known is None:
        return create_output(
            by=job.created_by,
            name=job.output_name,
            rows=rows,
            columns=_columns(job),
            parts=parts,
            size_bytes=size_bytes,
            parents=[job.dataset_version],
            classification=_stricter(job.model.classification, job.dataset.classification),
            description=f"{job.version} on {job.dataset_version}.",
        )
    names = Dataset.objects.filter(pk=known.pk)
    names.update(next_number=F("next_number") + 1)
    version = DatasetVersion.objects.create(
        dataset=known,
        number=names.values_list("next_number", flat=True).get() - 1,
        created_by=job.created_by,
        format="parquet",
        status=DatasetStatus.READY,
        rows=rows,
        columns=_columns(job),
        parts=parts,
        size_bytes=size_bytes,
    )
    version.parents.set([job.dataset_version])
    return version


def _columns(job: BatchJob) -> list[dict[str, Any]]:
    """The output's columns: as the chunks have them, or from the signature without any row."""
    if job.output_columns is not None:
        return list(job.output_columns)
    names = kept_columns(job.keep_columns, column_names(job.dataset_version))
    kept = [column for column in job.dataset_version.columns if column["name"] in names]
    return columns_without_rows(kept, job.version.parsed_signature.to_json()["outputs"])


def _stricter(left: str, right: str) -> str:
    order = list(Classification.values)
    return max(left, right, key=order.index)


def _max_memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
