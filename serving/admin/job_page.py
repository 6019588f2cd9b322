"""What the pages of a batch job show to one principal: progress, chunks, rejects, downloads."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
from django.db.models import Count, Sum
from django.http import HttpRequest
from django.utils import timezone

from registry import roles, storage
from registry.admin.calling import base_url
from registry.errors import DomainError
from registry.principals import Principal
from serving.actions.batch_results import comparison_of, rejects_of
from serving.actions.reach import may_read_results
from serving.admin import comparison
from serving.admin.timeline import busy_first, timeline
from serving.batch.progress import fraction_done, seconds_left
from serving.models import BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.job_states import JobState

CHUNKS_SHOWN = 30
CHUNKS_PER_PAGE = 50
ATTEMPTS_PER_CHUNK = 20
REJECTS_SHOWN = 20
_WORDS = {"pending": "waiting", "leased": "running", "done": "done", "failed": "failed"}
WELL_ENDED = (JobState.COMPLETED, JobState.COMPLETED_WITH_REJECTS)


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
        reads_rows = not job.is_active and may_read_results(self.by, job)
        is_ours = self.by.may(self._hand(), job.model)
        return {
            "title": f"{job.model.name} on {job.dataset_version}",
            **self.live_context(),
            "rejects": self._rejects() if reads_rows and job.rows_rejected else None,
            "may_read_rows": reads_rows,
            "has_results": reads_rows and job.state in WELL_ENDED,
            "api_url": self._api_url(),
            "has_comparison": job.report is not None and not job.is_active,
            "may_cancel": is_ours and job.is_active,
            "may_retry": is_ours
            and job.state in (JobState.FAILED, JobState.COMPLETED_WITH_REJECTS),
        }

    def live_context(self) -> dict[str, Any]:
        """The context of ``serving/job_live.html``: asked for every two seconds by each viewer.

        Four queries, and none that looks at all chunks.
        """
        job = self.job
        counts, rows_under_way = self._counts()
        return {
            "job": job,
            "percent": percent(job),
            "rows_under_way": rows_under_way,
            "eta_s": eta_s(job),
            "counts": counts,
            "timeline": timeline(busy_first(job, CHUNKS_SHOWN)),
        }

    def chunks_context(self, *, state: str, from_row: int) -> dict[str, Any]:
        """The context of ``serving/chunks.html``: a page of chunks from a row on, in row order.

        ``state`` empty is any.
        """
        rows = self.job.chunks.in_row_order().defer("summary").prefetch_related("attempts")
        if state:
            rows = rows.filter(state=state)
        found = list(rows.filter(row_start__gte=from_row)[: CHUNKS_PER_PAGE + 1])
        counts, _ = self._counts()
        choices = [("all", counts["total"], "")]
        choices += [(_WORDS[one], counts[one], one) for one in ChunkState.values]
        return {
            "title": f"Chunks of {self.job.model.name} on {self.job.dataset_version}",
            "job": self.job,
            "timeline": timeline(found[:CHUNKS_PER_PAGE], attempts_shown=ATTEMPTS_PER_CHUNK),
            "choices": [(*one, one[2] == state) for one in choices],
            "chosen": state,
            "is_later": from_row > 0,
            "next_row": found[-1].row_start if len(found) > CHUNKS_PER_PAGE else None,
            "page_size": CHUNKS_PER_PAGE,
        }

    def comparison_context(self) -> dict[str, Any]:
        """The context of ``serving/comparison.html``. Raises NotFound, StateConflict."""
        report = comparison_of(self.job, by=self.by)
        return {
            "title": f"Version {report['version']} against version {report['compared_with']}",
            "job": self.job,
            "shown": comparison.shown(report),
            "api_url": self._api_url(),
        }

    def _counts(self) -> tuple[dict[str, int], int]:
        """Chunks by state, and the rows that running ones have come through.

        Only the running ones are counted, of which there are few: the rest stands on the job.
        """
        job = self.job
        leased = job.chunks.filter(state=ChunkState.LEASED).order_by()
        found = leased.aggregate(count=Count("pk"), rows=Sum("rows_scored"))
        known = {"leased": found["count"], "done": job.chunks_done, "failed": job.chunks_failed}
        waiting = max(job.chunks_total - sum(known.values()), 0)
        return {"total": job.chunks_total, "pending": waiting, **known}, found["rows"] or 0

    def _api_url(self) -> str:
        return f"{base_url(self.request)}/api/v1/batch-jobs/{self.job.pk}"

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
