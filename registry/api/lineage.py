"""Lineage: what an object was made from and what was made from it, one step at a time.

Each step links to the lineage of its neighbour, so that a client walks on from there. serving
adds its own kinds (``SUBJECTS``) and steps (``registry.panels.add_steps``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import QuerySet

from registry.models import Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.panels import steps_of
from registry.principals import Principal

# Of many neighbours the newest ones are shown.
STEPS_MAX = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One neighbour. ``relation`` reads from the subject: “trained on customers@3”."""

    side: Literal["parents", "children"]
    relation: str
    kind: str
    row: Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind that has a lineage. ``path`` is the path of a row below the API's root."""

    rows: Callable[[Principal], QuerySet[Any, Any]]
    path: Callable[[Any], str]
    steps: Callable[[Any, Principal], Iterable[Step]]


def steps(kind: str, row: Any, by: Principal) -> list[Step]:
    """All steps from one row, the upper building's included; only what the caller may see."""
    found = list(SUBJECTS[kind].steps(row, by))
    for maker in steps_of(kind):
        found.extend(maker(row, by))
    return found


def _model_steps(row: RegisteredModel, by: Principal) -> Iterable[Step]:
    versions = row.versions.select_related("model").order_by("-id")[:STEPS_MAX]
    return (Step("children", "has version", "version", version) for version in versions)


def _dataset_steps(row: Dataset, by: Principal) -> Iterable[Step]:
    versions = _dataset_versions(by).filter(dataset=row)[:STEPS_MAX]
    return (Step("children", "has version", "dataset-version", version) for version in versions)


def _version_steps(row: ModelVersion, by: Principal) -> Iterable[Step]:
    yield Step("parents", "version of", "model", row.model)
    for trained_on in _dataset_versions(by).filter(trained=row):
        yield Step("parents", "trained on", "dataset-version", trained_on)
    if row.from_version is not None:
        yield Step("parents", "corrected from", "version", row.from_version)
    for corrected in row.corrections.select_related("model").order_by("-id")[:STEPS_MAX]:
        yield Step("children", "corrected as", "version", corrected)


def _dataset_version_steps(row: DatasetVersion, by: Principal) -> Iterable[Step]:
    yield Step("parents", "version of", "dataset", row.dataset)
    for parent in _dataset_versions(by).filter(children=row)[:STEPS_MAX]:
        yield Step("parents", "made from", "dataset-version", parent)
    for child in _dataset_versions(by).filter(parents=row)[:STEPS_MAX]:
        yield Step("children", "made into", "dataset-version", child)
    for version in _versions(by).filter(training_dataset=row)[:STEPS_MAX]:
        yield Step("children", "trained", "version", version)


def _versions(by: Principal) -> QuerySet[ModelVersion]:
    rows = ModelVersion.objects.visible_to(by)
    return rows.select_related("model", "from_version__model").order_by("-id")


def _dataset_versions(by: Principal) -> QuerySet[DatasetVersion]:
    rows = DatasetVersion.objects.visible_to(by).select_related("dataset")
    return rows.defer("profile", "columns", "errors", "parts").order_by("-id")


SUBJECTS: dict[str, Subject] = {
    "model": Subject(
        RegisteredModel.objects.visible_to, lambda row: f"/models/{row.name}", _model_steps
    ),
    "version": Subject(
        _versions, lambda row: f"/models/{row.model.name}/versions/{row.number}", _version_steps
    ),
    "dataset": Subject(
        Dataset.objects.visible_to, lambda row: f"/datasets/{row.name}", _dataset_steps
    ),
    "dataset-version": Subject(
        _dataset_versions,
        lambda row: f"/datasets/{row.dataset.name}/versions/{row.number}",
        _dataset_version_steps,
    ),
}
