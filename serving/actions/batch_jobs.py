"""Batch jobs as people handle them: ask for one, cancel it, run again what failed.

Who may what: asking for a job (and running it again) needs the role scorer on the model and
viewer on the dataset. A job is seen by who sees its model and its dataset, and by its creator as
long as they see the model. Cancelling and running again are for the creator with the role
scorer, or for a publisher of the model. Reading results and rejects needs a role on the input
dataset or on the output dataset, because kept columns are the dataset's own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Now

from registry import audit, roles
from registry.errors import DomainError, JobNotFound, NotAllowed, StateConflict
from registry.models import Dataset, DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.principals import Principal, get_visible, require
from registry.queue import DRIVE_JOB, enqueue
from serving.actions.announcing import announce_end
from serving.actions.batch_asking import Asked, resolve_asked
from serving.actions.reach import require_readable
from serving.actions.sources import Sink, snapshot
from serving.batch.columns import KEEP_ALL as KEEP_ALL
from serving.models import BatchChunk, BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.job_states import JobState

FAILED_AT_ONCE = 500


@transaction.atomic
def create_job(*, by: Principal, model: str, **options: Any) -> BatchJob:
    """Accept a job: model version and dataset version are pinned from now on.

    ``model`` is a ref; a dataset version that is still being read is waited for, and a source
    becomes a dataset of its own. ``options`` and errors are those of ``resolve_asked``.
    """
    asked = resolve_asked(by, model=model, **options)
    read = _rows_to_read(by, asked)
    _hold_while_read(read)
    job = BatchJob.objects.create(
        model=asked.version.model,
        version=asked.version,
        version_sha256=asked.version.artifact.sha256,
        model_ref=model,
        dataset=read.dataset,
        dataset_version=read,
        outputs=asked.outputs,
        keep_columns=asked.keep_columns,
        on_row_error=asked.on_row_error,
        chunk_rows=asked.chunk_rows,
        priority=asked.priority,
        waits_for_rows=read.status == DatasetStatus.PENDING,
        rows_total=read.rows,
        created_by=by.user,
        **_compared(asked.compared),
        **_sink(asked.sink),
    )
    audit.record(by, "batch_job.create", job, after=_summary(job))
    enqueue(DRIVE_JOB, job.pk)
    return job


@transaction.atomic
def cancel_job(*, by: Principal, job: BatchJob) -> BatchJob:
    """Stop a job for good; chunks that run stop at their next fence.

    Raises NotAllowed, and StateConflict for a job that has ended.
    """
    _require_hand(by, job)
    job = _locked(job)
    before = job.state
    if not BatchJob.objects.move(job, JobState.CANCELLED, finished_at=Now(), error=None):
        raise StateConflict(f"The job is {job.state} and cannot be cancelled any more.")
    _record_move(by, "batch_job.cancel", job, before, JobState.CANCELLED)
    announce_end(job)
    job.refresh_from_db()
    return job


@transaction.atomic
def retry_job(*, by: Principal, job: BatchJob) -> BatchJob:
    """Run again what failed or was rejected; chunks that are done and clean stay as they are.

    Raises StateConflict unless the job is failed or completed_with_rejects, and when its dataset
    version was rejected; NotAllowed; VersionNotServable when the version is gone meanwhile.
    """
    _require_hand(by, job)
    require(by, roles.SCORER, job.model)
    if not Dataset.objects.visible_to(by).filter(pk=job.dataset_id).exists():
        raise NotAllowed("This needs the role viewer on the job's dataset.")
    job = _locked(job)
    job.version.require_servable()
    if job.state not in (JobState.FAILED, JobState.COMPLETED_WITH_REJECTS):
        raise StateConflict(
            f"The job is {job.state}; only failed and completed_with_rejects can be run again."
        )
    if job.dataset_version.status == DatasetStatus.REJECTED:
        raise StateConflict(f"{job.dataset_version} was rejected: upload it anew and ask again.")
    require_readable(by, job.dataset_version)
    if job.output is not None:
        job.output.require_kept()
    before = job.state
    to = _reopen(job)
    _record_move(by, "batch_job.retry", job, before, to)
    enqueue(DRIVE_JOB, job.pk)
    job.refresh_from_db()
    return job


def find_job(principal: Principal, job_id: object) -> BatchJob:
    """The job with this id. Raises JobNotFound, also for one that may not be seen."""
    rows = BatchJob.objects.visible_to(principal).select_related(
        "model", "version__artifact", "dataset", "dataset_version", "output__dataset", "created_by"
    )
    return get_visible(rows, JobNotFound, f"batch job “{job_id}”", pk=job_id)


def fail_job(job: BatchJob, error: Mapping[str, Any]) -> bool:
    """End an active job as failed, with its reason; False when it has ended already.

    To be called in a transaction.
    """
    before = job.state
    moved = BatchJob.objects.move(job, JobState.FAILED, error=dict(error), finished_at=Now())
    if moved:
        audit.record(
            None,
            "batch_job.fail",
            job,
            before={"state": before},
            after={"state": JobState.FAILED.value},
            reason=str(error.get("detail", "")),
        )
        announce_end(job)
    return moved


def on_dataset_settled(version: DatasetVersion) -> None:
    """The rows that jobs wait for are there, or will never be: workers may look at the jobs.

    To be called in the transaction that settles the version. Where it is rejected, the first jobs
    are failed here, and any further ones when they would be started.
    """
    if version.status == DatasetStatus.REJECTED:
        for job in BatchJob.objects.waiting_for(version)[:FAILED_AT_ONCE]:
            fail_job(job, rejected_error(version))
    waiting = BatchJob.objects.waiting_for(version)
    rung_for = list(waiting.values_list("pk", flat=True)[:8])
    waiting.update(waits_for_rows=False)
    for job_id in rung_for:
        enqueue(DRIVE_JOB, job_id)


def error_json(error: DomainError) -> dict[str, Any]:
    """A reason as it stands in ``error`` of a job."""
    return {"code": error.code, "detail": error.detail}


def _reopen(job: BatchJob) -> JobState:
    """Make chunks claimable again; the job counts anew what stays done."""
    chunks = BatchChunk.objects.filter(job=job)
    if not chunks.exists():
        BatchJob.objects.move(job, JobState.QUEUED, error=None, finished_at=None)
        return JobState.QUEUED
    cleared = {"reason": "", "failures": 0, "losses": 0, "not_before": None}
    chunks.filter(state__in=(ChunkState.FAILED, ChunkState.PENDING)).update(
        state=ChunkState.PENDING, **cleared
    )
    chunks.filter(state=ChunkState.DONE, rejects__gt=0).update(
        state=ChunkState.PENDING,
        output_name="",
        output_sha256="",
        output_bytes=0,
        rows_out=0,
        rejects=0,
        rejects_name="",
        rejects_sha256="",
        summary=None,
        **cleared,
    )
    kept = chunks.filter(state=ChunkState.DONE).aggregate(
        out=Sum("rows_out"), bad=Sum("rejects"), chunks=Count("pk")
    )
    rejected = kept["bad"] or 0
    rows_done = (kept["out"] or 0) + rejected
    BatchJob.objects.move(
        job,
        JobState.RUNNING,
        error=None,
        finished_at=None,
        report=None,
        retried_at=Now(),
        rows_at_retry=rows_done,
        chunks_done=kept["chunks"],
        chunks_failed=0,
        rows_done=rows_done,
        rows_rejected=rejected,
    )
    return JobState.RUNNING


def _require_hand(by: Principal, job: BatchJob) -> None:
    """The creator may change a job, and whoever publishes the model."""
    role = roles.SCORER if job.created_by_id == by.user.pk else roles.PUBLISHER
    require(by, role, job.model)


def _locked(job: BatchJob) -> BatchJob:
    rows = BatchJob.objects.select_for_update(of=("self",)).select_related(
        "model", "version__artifact", "dataset", "dataset_version__dataset"
    )
    return rows.get(pk=job.pk)


def _record_move(by: Principal, action: str, job: BatchJob, before: str, to: JobState) -> None:
    audit.record(by, action, job, before={"state": before}, after={"state": to.value})


def _rows_to_read(by: Principal, asked: Asked) -> DatasetVersion:
    if asked.read is not None:
        return asked.read
    assert asked.source is not None
    return snapshot(by, asked.source, model=asked.version.model)


def _hold_while_read(version: DatasetVersion) -> None:
    """Who settles a pending version meanwhile waits until the job is there to be told of it."""
    if version.status != DatasetStatus.PENDING:
        return
    held = DatasetVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
    version.status, version.rows = held.status, held.rows


def _compared(version: ModelVersion | None) -> dict[str, Any]:
    if version is None:
        return {}
    return {"compared_version": version, "compared_sha256": version.artifact.sha256}


def _sink(sink: Sink | None) -> dict[str, Any]:
    return {} if sink is None else {"sink_connection": sink.connection, "sink_table": sink.table}


def _summary(job: BatchJob) -> dict[str, Any]:
    return {
        "model": job.model.name,
        "version": job.version.number,
        "sha256": job.version_sha256,
        "dataset": str(job.dataset_version),
    }


def rejected_error(version: DatasetVersion) -> dict[str, Any]:
    """Why a job on a version that cannot be read fails, as it stands in its ``error``."""
    count = version.error_count
    noun = "problem" if count == 1 else "problems"
    return {
        "code": "dataset-rejected",
        "detail": f"{version} was rejected with {count} {noun}: there are no rows to score.",
        "errors": version.errors[:3],
    }
