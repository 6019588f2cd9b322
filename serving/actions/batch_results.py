"""What a job gives back: rows, where they lie, its report, and who may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.errors import NotFound, StateConflict
from registry.principals import Principal
from serving.actions.batch_asking import column_names
from serving.actions.comparing import shown_report
from serving.actions.reach import may_read_results, require_results, without_received
from serving.batch.columns import kept_columns, key_columns, reject_columns
from serving.models import BatchJob
from serving.models.job_states import JobState


@dataclass(frozen=True, slots=True)
class Rows:
    """A table in Parquet parts, in row order; ``name`` is that of a file without its suffix."""

    name: str
    parts: Sequence[Mapping[str, Any]]
    columns: Sequence[Mapping[str, Any]]


def results_of(job: BatchJob, *, by: Principal) -> Rows:
    """The scored rows of a job that has ended well.

    Raises StateConflict before the end and for a job without results, RowsErased, NotAllowed.
    """
    require_results(by, job)
    if job.output is None or job.state not in (
        JobState.COMPLETED,
        JobState.COMPLETED_WITH_REJECTS,
    ):
        raise StateConflict(f"The job is {job.state}: it has no results{_yet(job)}.")
    job.output.require_kept()
    return Rows(job.output_name, job.output.parts, job.output.columns)


def rejects_of(job: BatchJob, *, by: Principal) -> Rows:
    """The rejected rows of a job that has ended, also of what a failed one has found so far.

    Raises StateConflict before the end, RowsErased with the rows that were rejected, NotAllowed.
    """
    require_results(by, job)
    if job.is_active:
        raise StateConflict(f"The job is {job.state}: its rejects are not complete yet.")
    job.dataset_version.require_kept()
    lying = job.chunks.exclude(rejects_name="").in_row_order()
    parts = [
        {"name": name, "sha256": sha256, "rows": rejects}
        for name, sha256, rejects in lying.values_list("rejects_name", "rejects_sha256", "rejects")
    ]
    return Rows(f"{job.output_name}-rejects", parts, _reject_columns(job))


def comparison_of(job: BatchJob, *, by: Principal) -> dict[str, Any]:
    """The report of a job that compares two versions; with cells for who may read the rows.

    Raises NotFound for a job that compares nothing, StateConflict before the end.
    """
    if job.compared_version_id is None:
        raise NotFound("The job compares nothing: ask for one with “compare_with”.")
    if job.report is None or job.is_active:
        raise StateConflict(f"The job is {job.state}: it has no report{_yet(job)}.")
    return shown_report(job, with_cells=may_read_results(by, job))


def shown_error(job: BatchJob) -> dict[str, Any] | None:
    """Why a job failed, without cells where they are hidden by now; None where it did not."""
    return job.error and (without_received(job.error) if job.hides_cells else dict(job.error))


def _reject_columns(job: BatchJob) -> list[dict[str, Any]]:
    names = column_names(job.dataset_version)
    wanted = [name for name in names if name in set(job.keep_columns or names)]
    keys = key_columns(kept_columns(wanted, names), job.version.parsed_signature)
    by_name = {column["name"]: column for column in job.dataset_version.columns}
    return reject_columns([by_name[name] for name in keys], hides_cells=job.hides_cells)


def _yet(job: BatchJob) -> str:
    return " yet" if job.is_active else ""
