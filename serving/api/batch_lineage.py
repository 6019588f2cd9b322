"""Where batch jobs and routes stand between models and datasets: added to links and lineage."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.timezone import localtime

from registry.api.lineage import SUBJECTS, Branch, Subject, those
from registry.models import Alias, Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.models.visibility import visible_models
from registry.panels import add_link, add_steps
from registry.principals import Principal
from serving.models import BatchJob, Route

JOB, ROUTE = "batch-job", "route"


def register() -> None:
    """Fill the tables; a second call changes nothing."""
    SUBJECTS[JOB] = Subject(
        word="batch job",
        rows=_jobs,
        path=lambda row: f"/batch-jobs/{row.pk}",
        page=lambda row: ("serving_batchjob_change", row.pk),
        branches=job_branches,
        label=lambda row: f"{row.model.name} {row.version.number} on {row.dataset_version}",
        detail=lambda row: f"{localtime(row.created_at):%Y-%m-%d %H:%M}",
    )
    SUBJECTS[ROUTE] = Subject(
        word="endpoint",
        rows=_routes,
        path=lambda row: f"/models/{row.model.name}/route",
        page=lambda row: ("registry_registeredmodel_change", row.model_id),
        branches=route_branches,
    )
    for kind in ("model", "version", "dataset", "dataset-version"):
        add_link(kind, "batch_jobs", f"{__name__}.{kind.replace('-', '_')}_jobs")
    add_link("model", "schedules", f"{__name__}.model_schedules")
    add_steps("version", f"{__name__}.version_branches")
    add_steps("alias", f"{__name__}.alias_branches")
    add_steps("dataset-version", f"{__name__}.dataset_version_branches")


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


def job_branches(row: BatchJob, by: Principal) -> Iterable[Branch]:
    """What the job was made from, and what it made."""
    versions = SUBJECTS["version"].rows(by)
    datasets = SUBJECTS["dataset-version"].rows(by)
    scores_with, compared = (
        versions.filter(pk=row.version_id),
        versions.filter(pk__in=those(row.compared_version_id)),
    )
    yield Branch("parents", "scores with", "version", scores_with)
    yield Branch("parents", "compared with", "version", compared)
    reads = datasets.filter(pk=row.dataset_version_id)
    yield Branch("parents", "reads", "dataset-version", reads)
    yield Branch(
        "children", "made", "dataset-version", datasets.filter(pk__in=those(row.output_id))
    )


def route_branches(row: Route, by: Principal) -> Iterable[Branch]:
    """The versions and aliases that answer for the name of a model, or get copies."""
    versions, aliases = SUBJECTS["version"].rows(by), SUBJECTS["alias"].rows(by)
    named = row.targets.exclude(alias="").values("alias")
    yield Branch("parents", "leads to", "version", versions.filter(route_targets__route=row))
    yield Branch("parents", "leads to", "alias", aliases.filter(model=row.model_id, name__in=named))


def alias_branches(row: Alias, by: Principal) -> Iterable[Branch]:
    """The route that names an alias."""
    routes = _routes(by).filter(model=row.model_id, targets__alias=row.name).distinct()
    yield Branch("children", "named by", ROUTE, routes)


def version_branches(row: ModelVersion, by: Principal) -> Iterable[Branch]:
    """The route that names a version, and the jobs that scored with it."""
    routes = _routes(by).filter(targets__version=row).distinct()
    yield Branch("children", "named by", ROUTE, routes)
    yield Branch("children", "scored", JOB, _jobs(by).filter(version=row))
    yield Branch("children", "compared in", JOB, _jobs(by).filter(compared_version=row))


def dataset_version_branches(row: DatasetVersion, by: Principal) -> Iterable[Branch]:
    """The job that made a dataset version, and the jobs that read it."""
    yield Branch("parents", "made by", JOB, _jobs(by).filter(output=row))
    yield Branch("children", "read by", JOB, _jobs(by).filter(dataset_version=row))


def _jobs(by: Principal) -> QuerySet[BatchJob]:
    rows = BatchJob.objects.visible_to(by).select_related(
        "model", "version", "dataset_version__dataset"
    )
    heavy = ("columns", "profile", "parts", "errors")
    return rows.defer(
        "report",
        "output_columns",
        *(f"version__{name}" for name in ("signature", "facts", "declared_signature")),
        *(f"dataset_version__{name}" for name in heavy),
    ).order_by("-id")


def _routes(by: Principal) -> QuerySet[Route]:
    return (
        Route.objects.filter(visible_models(by, "model__")).select_related("model").order_by("-id")
    )
