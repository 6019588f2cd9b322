"""Lineage: what an object was made from and what was made from it, one step at a time.

``SUBJECTS`` are the kinds that have one, each with its branches: the ways that lead on from it.
serving adds its own kinds to the table, and branches to ours (``registry.panels.add_steps``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import QuerySet

from registry.models import Alias, Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.models.visibility import visible_models
from registry.panels import steps_of
from registry.principals import Principal

Side = Literal["parents", "children"]

# Of many neighbours the newest ones are shown.
STEPS_MAX = 200
# A version belongs to its model, which is no ancestor of it.
BELONGS = ("version of", "has version")


@dataclass(frozen=True, slots=True)
class Branch:
    """Neighbours of one kind, newest first. ``relation`` reads from the subject: “trained on”.

    ``rows`` is a QuerySet of what the principal may see, so that what is not looked at costs
    nothing.
    """

    side: Side
    relation: str
    kind: str
    rows: QuerySet[Any, Any]

    @property
    def is_belonging(self) -> bool:
        """Whether it joins a version to what it is a version of."""
        return self.relation in BELONGS

    def newest(self, limit: int) -> tuple[list[Any], int]:
        """The newest rows, and how many more there are."""
        found = list(self.rows[: limit + 1])
        return found[:limit], self.rows.count() - limit if len(found) > limit else 0


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind that has a lineage.

    ``path`` is the path of a row below the API's root, ``page`` its page's name in the admin and
    the id that the page wants, ``label`` what a drawing calls it, and ``detail`` what tells it from
    others of the same name.
    """

    word: str
    rows: Callable[[Principal], QuerySet[Any, Any]]
    path: Callable[[Any], str]
    page: Callable[[Any], tuple[str, object]]
    branches: Callable[[Any, Principal], Iterable[Branch]]
    label: Callable[[Any], str] = str
    detail: Callable[[Any], str] = lambda row: ""


def those(identity: Any) -> list[Any]:
    """One id or none, as a list: Django asks no database for rows with an id out of nothing."""
    return [] if identity is None else [identity]


def branches(kind: str, row: Any, by: Principal) -> Iterator[Branch]:
    """All branches from one row, the upper building's included."""
    yield from SUBJECTS[kind].branches(row, by)
    for maker in steps_of(kind):
        yield from maker(row, by)


def _model_branches(row: RegisteredModel, by: Principal) -> Iterable[Branch]:
    yield Branch("children", "has version", "version", _versions(by).filter(model=row))


def _dataset_branches(row: Dataset, by: Principal) -> Iterable[Branch]:
    versions = _dataset_versions(by).filter(dataset=row)
    yield Branch("children", "has version", "dataset-version", versions)


def _version_branches(row: ModelVersion, by: Principal) -> Iterable[Branch]:
    models = RegisteredModel.objects.visible_to(by).filter(pk=row.model_id)
    versions, datasets = _versions(by), _dataset_versions(by)
    trained_on = datasets.filter(pk__in=those(row.training_dataset_id))
    yield Branch("parents", "version of", "model", models)
    yield Branch("parents", "trained on", "dataset-version", trained_on)
    original = versions.filter(pk__in=those(row.from_version_id))
    yield Branch("parents", "corrected from", "version", original)
    yield Branch("children", "corrected as", "version", versions.filter(from_version=row))
    yield Branch("children", "answers as", "alias", _aliases(by).filter(version=row))


def _dataset_version_branches(row: DatasetVersion, by: Principal) -> Iterable[Branch]:
    datasets = _dataset_versions(by)
    of = Dataset.objects.visible_to(by).filter(pk=row.dataset_id)
    yield Branch("parents", "version of", "dataset", of)
    yield Branch("parents", "made from", "dataset-version", datasets.filter(children=row))
    yield Branch("children", "made into", "dataset-version", datasets.filter(parents=row))
    trained = _versions(by).filter(training_dataset=row)
    yield Branch("children", "trained", "version", trained)


def _alias_branches(row: Alias, by: Principal) -> Iterable[Branch]:
    yield Branch("parents", "points to", "version", _versions(by).filter(aliases=row))


def _versions(by: Principal) -> QuerySet[ModelVersion]:
    rows = ModelVersion.objects.visible_to(by).select_related("model")
    return rows.defer("facts", "signature", "declared_signature").order_by("-id")


def _dataset_versions(by: Principal) -> QuerySet[DatasetVersion]:
    rows = DatasetVersion.objects.visible_to(by).select_related("dataset")
    return rows.defer("profile", "columns", "errors", "parts").order_by("-id")


def _aliases(by: Principal) -> QuerySet[Alias]:
    return (
        Alias.objects.filter(visible_models(by, "model__")).select_related("model").order_by("-id")
    )


SUBJECTS: dict[str, Subject] = {
    "model": Subject(
        word="model",
        rows=RegisteredModel.objects.visible_to,
        path=lambda row: f"/models/{row.name}",
        page=lambda row: ("registry_registeredmodel_change", row.pk),
        branches=_model_branches,
    ),
    "version": Subject(
        word="version",
        rows=_versions,
        path=lambda row: f"/models/{row.model.name}/versions/{row.number}",
        page=lambda row: ("registry_modelversion_change", row.pk),
        branches=_version_branches,
    ),
    "dataset": Subject(
        word="dataset",
        rows=Dataset.objects.visible_to,
        path=lambda row: f"/datasets/{row.name}",
        page=lambda row: ("registry_dataset_change", row.pk),
        branches=_dataset_branches,
    ),
    "dataset-version": Subject(
        word="dataset",
        rows=_dataset_versions,
        path=lambda row: f"/datasets/{row.dataset.name}/versions/{row.number}",
        page=lambda row: ("registry_datasetversion_change", row.pk),
        branches=_dataset_version_branches,
    ),
    "alias": Subject(
        word="endpoint",
        rows=_aliases,
        path=lambda row: f"/models/{row.model.name}/aliases/{row.name}",
        page=lambda row: ("registry_registeredmodel_change", row.model_id),
        branches=_alias_branches,
    ),
}
