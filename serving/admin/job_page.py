"""What the page of a batch job shows to one principal: progress, chunks, rejects, downloads."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from registry import roles, storage
from registry.admin.calling import base_url
from registry.errors import DomainError
from registry.principals import Principal
from serving.actions.batch_results import may_read_rows, rejects_of
from serving.batch.progress import fraction_done, seconds_left
from serving.models import BatchChunk, BatchJob
from serving.models.batch_job import JobState

CHUNKS_SHOWN = 100
REJECTS_SHOWN = 20
WELL_ENDED = (JobState.COMPLETED, JobState.COMPLETED_WITH_REJECTS)
_HEAVY = {
    "version": ("signature", "facts", "declared_signature"),
    "dataset_version": ("columns", "profile", "parts", "errors"),
}


def light(rows: QuerySet[BatchJob]) -> QuerySet[BatchJob]:
    """Jobs for a list: joined to what names them, without the bulky parts of it."""
    heavy = (f"{kin}__{name}" for kin, names in _HEAVY.items() for name in names)
    rows = rows.select_related(
        "model", "version", "dataset", "dataset_version__dataset", "created_by"
    )
    return rows.defer("output_columns", *heavy).order_by("-id")


def percent(job: BatchJob) -> int:
    """How far a job has come, in whole percent, 100 only when it is whole."""
    done = job.state in WELL_ENDED
    return int(fraction_done(job.rows_total, job.rows_done, has_ended_well=done) * 100)


def eta_s(job: BatchJob) -> int | None:
    """Seconds left at the pace so far; None while nothing can be said."""
    begun = job.retried_at or job.started_at
    if job.state != JobState.RUNNING or begun is None:
        return None
    elapsed_s = (timezone.now() - begun).total_seconds()
    before = job.rows_at_retry
    return seconds_left(job.rows_total, job.rows_done, elapsed_s, rows_before=before)


class JobPage:
    """Contexts of the page and of its live part."""

    def __init__(self, request: HttpRequest, job: BatchJob, by: Principal) -> None:
        self.request = request
        self.job = job
        self.by = by

    def context(self) -> dict[str, Any]:
        """The context of ``serving/job.html``."""
        job = self.job
        reads_rows = not job.is_active and may_read_rows(self.by, job)
        is_ours = self.by.may(self._hand(), job.model)
        return {
            "title": f"{job.model.name} on {job.dataset_version}",
            **self.live_context(),
            "rejects": self._rejects() if reads_rows and job.rows_rejected else None,
            "may_read_rows": reads_rows,
            "has_results": reads_rows and job.state in WELL_ENDED,
            "api_url": f"{base_url(self.request)}/api/v1/batch-jobs/{job.pk}",
            "may_cancel": is_ours and job.is_active,
            "may_retry": is_ours
            and job.state in (JobState.FAILED, JobState.COMPLETED_WITH_REJECTS),
        }

    def live_context(self) -> dict[str, Any]:
        """The context of ``serving/job_live.html``."""
        job = self.job
        counts = BatchChunk.objects.counts_of([job])[job.pk]
        return {
            "job": job,
            "percent": percent(job),
            "eta_s": eta_s(job),
            "counts": counts,
            "chunk_count": sum(counts.values()),
            "chunks": self._chunks(),
        }

    def _chunks(self) -> list[BatchChunk]:
        """The ones that say something first: failed, then under way, then the rest in row order."""
        rows = self.job.chunks.annotate(tries=Count("attempts")).in_row_order()
        busy = list(rows.exclude(state__in=("pending", "done"))[:CHUNKS_SHOWN])
        rest = rows.filter(state__in=("pending", "done"))[: CHUNKS_SHOWN - len(busy)]
        return sorted([*busy, *rest], key=lambda chunk: chunk.row_start)

    def _rejects(self) -> dict[str, Any] | None:
        """The first rejected rows as a table of texts; None where they cannot be read."""
        try:
            rejects = rejects_of(self.job, by=self.by)
        except DomainError:
            return None
        names = [column["name"] for column in rejects.columns]
        rows: list[list[Any]] = []
        for part in rejects.parts:
            with storage.open_named(part["name"]) as file:
                batches = pq.ParquetFile(file).iter_batches(REJECTS_SHOWN, columns=names)
                first = next(iter(batches), None)
            if first is not None:
                rows += [[record[name] for name in names] for record in first.to_pylist()]
            if len(rows) >= REJECTS_SHOWN:
                break
        return {"columns": names, "rows": rows[:REJECTS_SHOWN]}

    def _hand(self) -> str:
        """The role that changing the job needs: less for whoever asked for it."""
        return roles.SCORER if self.job.created_by_id == self.by.user.pk else roles.PUBLISHER
