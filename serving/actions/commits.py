"""The commit of a chunk's result, one fenced update in one transaction:

1. lock the job, which must be running; so the last of two chunks that end at once sees the other;
2. the chunk becomes done where the attempt is still ours, with names, digests and counts;
3. the job counts its rows; all chunks must have answered in the same columns;
4. with the last chunk the job is finished: output dataset, lineage, state; or failed, where a row
   of a job that takes no bad ones was refused.

Where any of it finds no row, somebody else has moved on and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from serving.actions.chunk_ends import end_attempt, fail_when_known, running_job
from serving.actions.finish import finish_job
from serving.batch import failpoints
from serving.batch.writer import Written
from serving.models import BatchChunk, BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.chunk_attempt import AttemptOutcome


class ColumnsChanged(Exception):
    """The chunk's result has other columns than the chunks before it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file under its name in the storage."""

    name: str
    written: Written


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What an attempt brings: files (None where there is no row), counts, columns as JSON.

    ``summary`` is its part of a comparison, None where nothing is compared.
    """

    results: Published | None
    rejects: Published | None
    rows_out: int
    rows_rejected: int
    columns: Sequence[Mapping[str, Any]] | None
    summary: Mapping[str, Any] | None = None

    @property
    def names(self) -> list[str]:
        """The files that this attempt has published."""
        return [file.name for file in (self.results, self.rejects) if file]


@transaction.atomic
def commit_chunk(chunk: BatchChunk, result: ChunkResult) -> bool:
    """Make an attempt's result the chunk's, as the module's docstring says.

    False when the fence was lost: then the caller removes its own files. Raises ColumnsChanged.
    """
    job = running_job(chunk)
    if job is None or not _mark_done(chunk, result):
        return False
    failpoints.reach("commit.fenced")
    columns = job.output_columns
    if result.columns is not None:
        if columns is not None and columns != list(result.columns):
            raise ColumnsChanged("The model answered in other columns than for other rows.")
        columns = list(result.columns)
    BatchJob.objects.filter(pk=job.pk).update(
        chunks_done=F("chunks_done") + 1,
        rows_done=F("rows_done") + result.rows_out + result.rows_rejected,
        rows_rejected=F("rows_rejected") + result.rows_rejected,
        output_columns=columns,
        paused_reason="",
        paused_until=None,
    )
    end_attempt(chunk, AttemptOutcome.DONE)
    # By name, not "all but done": that would walk along the index over all that are done.
    unfinished = (ChunkState.PENDING, ChunkState.LEASED, ChunkState.FAILED)
    if job.error is not None:
        fail_when_known(job, job.error)
    elif not job.chunks.filter(state__in=unfinished).exists():
        finish_job(job)
    failpoints.reach("commit.before")
    return True


def is_committed(chunk: BatchChunk, result: ChunkResult) -> bool:
    """Whether this attempt's result is the chunk's already."""
    return BatchChunk.objects.filter(
        pk=chunk.pk, state=ChunkState.DONE, attempt=chunk.attempt, **_files(result)
    ).exists()


def unnamed(chunk: BatchChunk, result: ChunkResult) -> list[str]:
    """The files of an attempt that came to nothing: those that may be removed.

    None that the chunk names, and none where another worker has the same attempt, which means the
    same names (see ``held_by``).
    """
    now = BatchChunk.objects.get(pk=chunk.pk)
    is_twin = now.attempt == chunk.attempt and now.lease_owner not in ("", chunk.lease_owner)
    if is_twin and now.state == ChunkState.LEASED:
        return []
    return [name for name in result.names if name not in (now.output_name, now.rejects_name)]


def _mark_done(chunk: BatchChunk, result: ChunkResult) -> bool:
    return bool(
        BatchChunk.objects.held_by(chunk).update(
            state=ChunkState.DONE,
            rows_out=result.rows_out,
            rejects=result.rows_rejected,
            summary=result.summary,
            rows_scored=chunk.rows,
            reason="",
            lease_until=None,
            **_files(result),
        )
    )


def _files(result: ChunkResult) -> dict[str, Any]:
    """The fields of a chunk that name its files."""
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
    return files
