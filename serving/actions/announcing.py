"""Tells webhooks that a batch job has ended, in the transaction of its end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from registry.actions.webhooks import (
    JOB_CANCELLED,
    JOB_COMPLETED,
    JOB_FAILED,
    announce,
    is_anybody_told,
)
from registry.conf import conf
from registry.principals import Principal
from serving.models import BatchJob
from serving.models.job_states import JobState

_EVENTS: dict[str, str] = {
    JobState.COMPLETED: JOB_COMPLETED,
    JobState.COMPLETED_WITH_REJECTS: JOB_COMPLETED,
    JobState.FAILED: JOB_FAILED,
    JobState.CANCELLED: JOB_CANCELLED,
}


def announce_end(job: BatchJob) -> int:
    """Tell of a job that has just ended; how many webhooks are told.

    To be called in the transaction of its end. A job that is run again may end again: each end is
    told once, known by its time.
    """
    if not is_anybody_told(job.model_id):
        return 0
    ended = _whole(job)
    assert ended.finished_at is not None  # a named constraint says so
    return announce(
        _EVENTS[ended.state],
        ended,
        occasion=f"{ended.state}:{ended.finished_at.isoformat()}",
        facts={
            "job": _facts(ended),
            "url": f"{conf.public_url}/api/v1/batch-jobs/{ended.pk}",
        },
        model=ended.model,
        at=ended.finished_at,
        is_seen_by=lambda by: _is_seen(by, ended),
    )


def _is_seen(by: Principal, job: BatchJob) -> bool:
    return BatchJob.objects.visible_to(by).filter(pk=job.pk).exists()


def _whole(job: BatchJob) -> BatchJob:
    return BatchJob.objects.named().get(pk=job.pk)


def _facts(job: BatchJob) -> dict[str, Any]:
    """What a list of jobs shows of it; of an error its words, and no cell."""
    error = job.error and {key: job.error.get(key) for key in ("code", "detail")}
    return {
        "id": str(job.pk),
        "state": job.state,
        "model": job.model.name,
        "version": job.version.number,
        "dataset": f"{job.dataset.name}@{job.dataset_version.number}",
        "rows_total": job.rows_total,
        "rows_done": job.rows_done,
        "rows_rejected": job.rows_rejected,
        "output_dataset": job.output_name if job.output_id else None,
        "error": error,
        "created_by": job.created_by.username,
        "created_at": _text(job.created_at),
        "started_at": _text(job.started_at),
        "finished_at": _text(job.finished_at),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
