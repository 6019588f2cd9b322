"""Which files of the storage the database holds: the columns that name them, said once.

A backup copies what these columns name in its snapshot; pruning removes what none of them names.
A new column that names a file needs a line in a table of this kind, ours or serving's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps as present_apps
from django.apps.registry import Apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from registry.storage import blob_name

READ_AT_ONCE = 2_000
# A row by its columns; those that an earlier release did not have yet are left out.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """A model by its label, such as ``registry.Artifact``, and the columns that are read.

    A column may lead to another table, as ``job__state`` does. ``names`` gives the files of a row.
    """

    model: str
    columns: tuple[str, ...]
    names: Callable[[Row], Iterator[str]]


# The blobs of a version beside its artifact.
OF_VERSION = ("example_sha256", "expected_sha256", "golden_sha256", "compiled_sha256")


def _of_artifact(row: Row) -> Iterator[str]:
    if row["gone_at"] is None:
        yield blob_name(row["sha256"])


def _of_version(row: Row) -> Iterator[str]:
    return (blob_name(row[column]) for column in OF_VERSION if row.get(column))


def _of_dataset_version(row: Row) -> Iterator[str]:
    """What was uploaded, and the typed parts. What was not uploaded has no digest of its own."""
    if row.get("erased_at") is None:
        if row["sha256"]:
            yield blob_name(row["sha256"])
        yield from (part["name"] for part in row["parts"])


HOLDERS = [
    Holder("registry.Artifact", ("sha256", "gone_at"), _of_artifact),
    Holder("registry.ModelVersion", OF_VERSION, _of_version),
    Holder("registry.DatasetVersion", ("sha256", "parts", "erased_at"), _of_dataset_version),
]


def held_names(apps: Apps = present_apps) -> Iterator[str]:
    """The names of all files that a database holds, some more than once; memory stays flat.

    ``apps`` are the models as the database has them: those of an earlier release, in a snapshot.
    """
    for holder in HOLDERS:
        try:
            model = apps.get_model(holder.model)
        except LookupError:
            continue
        columns = [column for column in holder.columns if _has(model, column)]
        rows = model._base_manager.order_by().values(*columns)
        for row in rows.iterator(chunk_size=READ_AT_ONCE):
            yield from holder.names(row)


def _has(model: Any, column: str) -> bool:
    """Whether the path of names leads to a column."""
    name, _, rest = column.partition("__")
    try:
        field: models.Field[Any, Any] = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return not rest or _has(field.related_model, rest)
