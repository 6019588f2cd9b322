"""How far the rows of a job may go: whom they are read for, who gets results, which tables.

What a job makes is as strict as the stricter of its model and its dataset, then and later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.actions.row_access import may_have_rows, require_rows
from registry.errors import NotAllowed, SinkRefused, StateConflict
from registry.models import Connection, Dataset, DatasetVersion, RegisteredModel
from registry.models.registered_model import Classification
from registry.principals import Principal
from serving.actions.comparing import shown_report
from serving.models import BatchChunk, BatchJob


def require_readable(by: Principal, version: DatasetVersion) -> None:
    """Raise NotAllowed, StateConflict or RowsErased unless a job may read the rows for ``by``."""
    require_rows(by, version.dataset)
    if version.dataset.archived_at is not None:
        raise StateConflict(f"The dataset “{version.dataset}” is archived: no job reads it.")
    version.require_kept()


def require_reached(connection: Connection, classification: str) -> None:
    """Raise SinkRefused where results of this classification must not lie behind a connection."""
    if Classification.rank(connection.classification) < Classification.rank(classification):
        raise SinkRefused(
            f"The results are {classification}, and the connection “{connection}” takes at most "
            f"{connection.classification} ones."
        )


def classification_of_results(model: RegisteredModel, dataset: Dataset | None) -> str:
    """The stricter of both; None is a dataset that the job makes, as strict as the model."""
    if dataset is None:
        return model.classification
    return Classification.strictest(model.classification, dataset.classification)


def classification_now(job: BatchJob) -> str:
    """The same for a job, whatever its worker has read of it when it began."""
    now = BatchJob.objects.filter(pk=job.pk)
    return Classification.strictest(
        *now.values_list("model__classification", "dataset__classification").get()
    )


def models_of(dataset: Dataset) -> list[RegisteredModel]:
    """The models whose answers the rows of a dataset hold: those of the jobs that made it."""
    jobs = BatchJob.objects.filter(output__dataset=dataset)
    return list(RegisteredModel.objects.filter(pk__in=jobs.values("model")))


def results_with(model: RegisteredModel) -> list[Dataset]:
    """The datasets that jobs made with a model."""
    jobs = BatchJob.objects.filter(model=model, output__isnull=False)
    return list(Dataset.objects.filter(pk__in=jobs.values("output__dataset")))


def may_read_results(by: Principal, job: BatchJob) -> bool:
    """Whether ``by`` may have the rows, by a role on what was read or on what was written."""
    strictest = classification_of_results(job.model, job.dataset)
    candidates = {job.dataset_id} | ({job.output.dataset_id} if job.output else set())
    seen = Dataset.objects.visible_to(by).filter(pk__in=candidates)
    return any(may_have_rows(by, dataset, classification=strictest) for dataset in seen)


def require_results(by: Principal, job: BatchJob) -> None:
    """Raise NotAllowed unless ``by`` may have the rows of the job."""
    if may_read_results(by, job):
        return
    strictest = classification_of_results(job.model, job.dataset)
    raise NotAllowed(
        f"The results are {strictest}: this needs a role on the job's dataset or on its output "
        "that may have such rows."
    )


def is_being_read(version: DatasetVersion) -> bool:
    """Whether a job still needs the rows of a version."""
    return BatchJob.objects.active().filter(dataset_version=version).exists()


def forget_cells(version: DatasetVersion) -> None:
    """The rows of a version are erased: so is what the jobs that read it kept of single cells.

    To be called in that transaction. Rejects repeat the rows that were refused, their files are
    named by nothing from now on; a comparison has the keys of rows that moved most, and why a job
    failed the cell that was refused. Counts stay.
    """
    chunks = BatchChunk.objects.filter(job__dataset_version=version)
    chunks.update(rejects_name="", rejects_sha256="", summary=None)
    jobs = BatchJob.objects.filter(dataset_version=version, report__isnull=False)
    for job in jobs.select_related("model", "dataset"):
        without = shown_report(job, with_cells=False)
        BatchJob.objects.filter(pk=job.pk).update(report=without)
    for job in BatchJob.objects.filter(dataset_version=version, error__has_key="errors"):
        BatchJob.objects.filter(pk=job.pk).update(error=without_received(job.error or {}))


def without_received(error: Mapping[str, Any]) -> dict[str, Any]:
    """A job's ``error`` without the cells that the rows in it were refused for."""
    rows = [{k: v for k, v in row.items() if k != "received"} for row in error.get("errors", ())]
    return {**error, **({"errors": rows} if rows else {})}
