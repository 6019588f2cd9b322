"""Where batch jobs stand between models and datasets: added to links and lineage."""

from __future__ import annotations

from collections.abc import Iterable

from registry.api.lineage import STEPS_MAX, SUBJECTS, Step, Subject
from registry.models import Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.panels import add_link, add_steps
from registry.principals import Principal
from serving.models import BatchJob

KIND = "batch-job"


def register() -> None:
    """Fill the tables; a second call changes nothing."""
    SUBJECTS[KIND] = Subject(
        rows=BatchJob.objects.visible_to,
        path=lambda row: f"/batch-jobs/{row.pk}",
        steps=job_steps,
    )
    for kind in ("model", "version", "dataset", "dataset-version"):
        add_link(kind, "batch_jobs", f"{__name__}.{kind.replace('-', '_')}_jobs")
    add_link("model", "schedules", f"{__name__}.model_schedules")
    add_steps("version", f"{__name__}.version_steps")
    add_steps("dataset-version", f"{__name__}.dataset_version_steps")


def model_jobs(row: RegisteredModel) -> str:
    """The jobs of a model."""
    return f"/batch-jobs?model={row.name}"


def model_schedules(row: RegisteredModel) -> str:
    """The schedules of a model."""
    return f"/schedules?model={row.name}"


def version_jobs(row: ModelVersion) -> str:
    """The jobs of a version's model."""
    return f"/batch-jobs?model={row.model.name}"


def dataset_jobs(row: Dataset) -> str:
    """The jobs on a dataset."""
    return f"/batch-jobs?dataset={row.name}"


def dataset_version_jobs(row: DatasetVersion) -> str:
    """The jobs on a version's dataset."""
    return f"/batch-jobs?dataset={row.dataset.name}"


def job_steps(row: BatchJob, by: Principal) -> Iterable[Step]:
    """What the job was made from, and what it made."""
    versions = ModelVersion.objects.visible_to(by).select_related("model")
    datasets = DatasetVersion.objects.visible_to(by).select_related("dataset")
    for version in versions.filter(pk=row.version_id):
        yield Step("parents", "scores with", "version", version)
    for read in datasets.filter(pk=row.dataset_version_id):
        yield Step("parents", "reads", "dataset-version", read)
    for output in datasets.filter(pk__in=[row.output_id] if row.output_id else []):
        yield Step("children", "made", "dataset-version", output)


def version_steps(row: ModelVersion, by: Principal) -> Iterable[Step]:
    """The jobs that scored with a version."""
    jobs = BatchJob.objects.visible_to(by).filter(version=row).order_by("-id")[:STEPS_MAX]
    return (Step("children", "scored", KIND, job) for job in jobs)


def dataset_version_steps(row: DatasetVersion, by: Principal) -> Iterable[Step]:
    """The jobs that read a dataset version, and the one that made it."""
    visible = BatchJob.objects.visible_to(by).order_by("-id")
    for job in visible.filter(output=row)[:1]:
        yield Step("parents", "made by", KIND, job)
    for job in visible.filter(dataset_version=row)[:STEPS_MAX]:
        yield Step("children", "read by", KIND, job)
