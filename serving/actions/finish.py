"""The end of a job, in the transaction of its last chunk: its output, lineage and state."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Sum
from django.db.models.functions import Now

from registry import audit
from registry.actions.datasets import create_output
from registry.actions.profiling import want_profile
from registry.models import Dataset, DatasetVersion
from registry.models.dataset_version import DatasetStatus
from serving.actions.announcing import announce_end
from serving.actions.batch_asking import column_names
from serving.actions.comparing import attach_report, report_of
from serving.actions.reach import classification_now
from serving.batch import failpoints
from serving.batch.columns import columns_without_rows, kept_columns
from serving.models import BatchJob
from serving.models.job_states import JobState


def finish_job(job: BatchJob) -> None:
    """All chunks are done: the output becomes a dataset version and the job ends.

    To be called in a transaction that holds the job.
    """
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
    job.report = report_of(job)
    BatchJob.objects.move(job, to, output=output, report=job.report, finished_at=Now())
    attach_report(job)
    audit.record(
        None,
        "batch_job.complete",
        job,
        before={"state": JobState.RUNNING.value},
        after={"state": to.value, "rows_rejected": totals["rejected"], "output": str(output)},
    )
    announce_end(job)


def _output_version(
    job: BatchJob, parts: list[dict[str, Any]], rows: int, size_bytes: int
) -> DatasetVersion:
    """The output as a new dataset, or as its next version where the job was run again."""
    if job.output is None:
        return create_output(
            by=job.created_by,
            name=_free_name(job.output_name),
            rows=rows,
            columns=_columns(job),
            parts=parts,
            size_bytes=size_bytes,
            parents=[job.dataset_version],
            classification=classification_now(job),
            description=f"{job.version} on {job.dataset_version}.",
        )
    names = Dataset.objects.filter(pk=job.output.dataset_id)
    names.update(next_number=F("next_number") + 1)
    version = DatasetVersion.objects.create(
        dataset=job.output.dataset,
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
    want_profile(version)
    return version


def _free_name(name: str) -> str:
    """The name, or one like it where somebody has uploaded a dataset under it meanwhile."""
    free, count = name, 1
    while Dataset.objects.named(free).exists():
        count += 1
        free = f"{name}-{count}"
    return free


def _columns(job: BatchJob) -> list[dict[str, Any]]:
    """The output's columns: as the chunks have them, or from the signature without any row."""
    if job.output_columns is not None:
        return list(job.output_columns)
    names = kept_columns(job.keep_columns, column_names(job.dataset_version))
    kept = [column for column in job.dataset_version.columns if column["name"] in names]
    return columns_without_rows(kept, job.version.parsed_signature.to_json()["outputs"])
