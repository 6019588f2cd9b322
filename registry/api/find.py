"""Finds what a path or a body names. What the caller may not see is not found."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from registry.errors import DatasetNotFound, ModelNotFound, NotFound, VersionNotFound
from registry.models import Dataset, DatasetVersion, ModelVersion, RegisteredModel, User
from registry.models.dataset_version import DatasetStatus
from registry.principals import Principal, find_dataset, find_model, get_visible

Row = TypeVar("Row", bound=Model)

_NUMBER_MAX = 2**31 - 1


def model_named(by: Principal, name: str) -> RegisteredModel:
    """The model. Raises ModelNotFound."""
    # A NUL is no character of a name, and PostgreSQL will not even compare it.
    if "\0" in name:
        raise ModelNotFound("There is no such model.")
    return find_model(by, name)


def version_of(model: RegisteredModel, number: str | int) -> ModelVersion:
    """The version of a model that was found. Raises VersionNotFound."""
    rows = ModelVersion.objects.filter(model=model).select_related("model", "artifact")
    parsed = parse_number(number)
    row = rows.filter(number=parsed).first() if parsed else None
    if row is None:
        raise VersionNotFound(f"“{model.name}” has no version {str(number)[:40]}.")
    return row


def dataset_named(by: Principal, name: str) -> Dataset:
    """The dataset. Raises DatasetNotFound."""
    if "\0" in name:
        raise DatasetNotFound("There is no such dataset.")
    return find_dataset(by, name)


def dataset_version_of(dataset: Dataset, number: str | int) -> DatasetVersion:
    """The version of a dataset that was found. Raises VersionNotFound."""
    rows = DatasetVersion.objects.filter(dataset=dataset).select_related("dataset")
    parsed = parse_number(number)
    row = rows.filter(number=parsed).first() if parsed else None
    if row is None:
        raise VersionNotFound(f"“{dataset.name}” has no version {str(number)[:40]}.")
    return row


def dataset_version_named(by: Principal, ref: str) -> DatasetVersion:
    """``customers`` (its newest ready version, else its newest) or ``customers@3``.

    Raises DatasetNotFound and VersionNotFound.
    """
    name, at, number = ref.partition("@")
    dataset = dataset_named(by, name)
    if at:
        return dataset_version_of(dataset, number)
    newest = dataset.versions.select_related("dataset").order_by("-number")
    row = newest.filter(status=DatasetStatus.READY).first() or newest.first()
    if row is None:
        raise VersionNotFound(f"“{dataset.name}” has no version yet.")
    return row


def row_with_id(rows: QuerySet[Row], identity: str, what: str) -> Row:
    """The row with this id among visible ones. Raises NotFound, which names ``what``."""
    try:
        key = uuid.UUID(identity)
    except ValueError:
        raise NotFound(f"There is no {what} with this id.") from None
    return get_visible(rows, NotFound, what, pk=key)


def user_named(name: str) -> User:
    """The user. Raises NotFound."""
    user = None if "\0" in name else User.objects.filter(username=name).first()
    if user is None:
        raise NotFound(f"There is no user “{name[:100]}”.")
    return user


def parse_number(number: Any) -> int | None:
    """A version's number, from 1 on; None for anything else."""
    if isinstance(number, str):
        number = int(number) if number.isascii() and number.isdigit() and len(number) < 12 else 0
    return number if 1 <= number <= _NUMBER_MAX else None
