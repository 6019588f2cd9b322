"""Listens to the registry: what happens there sets work going here."""

from __future__ import annotations

from typing import Any

from registry.models import Dataset, DatasetVersion, RegisteredModel
from registry.queue import CHECK_VERSION, enqueue
from registry.signals import (
    answers_of_model,
    approval_requested,
    dataset_erased,
    dataset_expiring,
    dataset_settled,
    models_of_dataset,
    version_registered,
    version_released,
    version_settled,
)
from serving.actions.batch_jobs import on_dataset_settled
from serving.actions.comparing import attach_reports
from serving.actions.reach import forget_cells, is_being_read, models_of, results_with
from serving.actions.routes import refuse_archiving


def connect() -> None:
    """Connect the receivers; called once when the application starts."""
    version_registered.connect(_check, dispatch_uid="serving.check.registered")
    version_released.connect(_check, dispatch_uid="serving.check.released")
    version_settled.connect(_keep_routed, dispatch_uid="serving.routes.version_settled")
    approval_requested.connect(_show_comparisons, dispatch_uid="serving.comparisons.approval")
    dataset_settled.connect(_resume_jobs, dispatch_uid="serving.jobs.dataset_settled")
    dataset_expiring.connect(_still_read, dispatch_uid="serving.jobs.dataset_expiring")
    dataset_erased.connect(_forget_cells, dispatch_uid="serving.jobs.dataset_erased")
    models_of_dataset.connect(_models_of, dispatch_uid="serving.jobs.models_of_dataset")
    answers_of_model.connect(_results_with, dispatch_uid="serving.jobs.answers_of_model")


def _show_comparisons(request: Any, **_: Any) -> None:
    attach_reports(request)


def _resume_jobs(version: DatasetVersion, **_: Any) -> None:
    on_dataset_settled(version)


def _still_read(version: DatasetVersion, **_: Any) -> bool:
    return is_being_read(version)


def _forget_cells(version: DatasetVersion, **_: Any) -> None:
    forget_cells(version)


def _models_of(dataset: Dataset, **_: Any) -> list[RegisteredModel]:
    return models_of(dataset)


def _results_with(model: RegisteredModel, **_: Any) -> list[Dataset]:
    return results_with(model)


def _keep_routed(version: Any, **_: Any) -> None:
    refuse_archiving(version)


def _check(version: Any, **_: Any) -> None:
    enqueue(CHECK_VERSION, version.pk)
