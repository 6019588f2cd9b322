"""What a batch job is asked with: found, and held against each other, before anything is accepted.

Schedules are checked in the same way when they are written, and again at each run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry import roles
from registry.actions.sources import checked_source
from registry.errors import InvalidField, StateConflict, VersionNotFound
from registry.models import DatasetVersion, ModelVersion
from registry.models.dataset_version import DatasetStatus
from registry.models.model_version import Engine
from registry.principals import Principal, find_dataset, require
from serving.actions.comparing import shared_kinds
from serving.actions.reach import (
    classification_of_results,
    require_reached,
    require_readable,
)
from serving.actions.scoring import choose_outputs
from serving.actions.sources import Sink, resolve_sink
from serving.actions.targets import called_version, find_version, pointed_to, version_of
from serving.batch.columns import KEEP_ALL, OnRowError, kept_columns, require_inputs
from serving.batch.ranges import CHUNK_ROWS, COMPILED_CHUNK_ROWS, MAX_CHUNK_ROWS
from serving.refs import parse_ref

# Jobs of a higher priority are claimed first, whoever asked for them.
LOWEST_PRIORITY, HIGHEST_PRIORITY = -10, 10
_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBERS_END = 10**9


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, resolved: a version that can be scored with, rows that can be read.

    The rows are those of ``read``, or of ``source``; the other one is None. ``outputs`` None is
    the model's default, ``keep_columns`` None is all, ``compared`` and ``sink`` None is nothing to
    compare with and no table.
    """

    version: ModelVersion
    read: DatasetVersion | None
    source: dict[str, Any] | None
    outputs: list[str] | None
    keep_columns: list[str] | None
    on_row_error: str
    chunk_rows: int
    priority: int = 0
    compared: ModelVersion | None = None
    sink: Sink | None = None


def resolve_asked(
    by: Principal,
    *,
    model: str,
    dataset: str | None = None,
    source: object = None,
    version: int | None = None,
    outputs: Sequence[str] | None = None,
    keep_columns: object = KEEP_ALL,
    on_row_error: object = OnRowError.REJECT,
    chunk_rows: int | None = None,
    priority: int | None = None,
    compare_with: object = None,
    sink: object = None,
) -> Asked:
    """Find and check all that a job needs, for somebody who may ask for it. Makes nothing.

    The rows are those of ``dataset``, or of ``source``, which is read when there is a job.
    ``sink`` is a table that results go to as well. ``compare_with`` is a version of the same
    model, its number or ``@alias``, that answers the same rows. Raises InvalidField with the
    field's pointer, ModelNotFound, VersionNotReady and the like, DatasetNotFound,
    ConnectionNotFound, StateConflict for a rejected dataset version, SinkRefused for results that
    are stricter than the sink, NotAllowed, which a priority above 0 raises without the role
    publisher.
    """
    called = resolve_called(by, model, version)
    require(by, roles.SCORER, called.model)
    called.require_servable()
    if (dataset is None) == (source is None):
        raise InvalidField("Either dataset or source was expected.", pointer="/dataset")
    asked = Asked(
        version=called,
        read=None if dataset is None else resolve_read(by, dataset),
        source=None if source is None else checked_source(by, source),
        outputs=None if outputs is None else list(outputs),
        keep_columns=checked_keep(keep_columns),
        on_row_error=checked_on_row_error(on_row_error),
        chunk_rows=_usual_rows(called) if chunk_rows is None else checked_chunk_rows(chunk_rows),
        priority=_checked_priority(by, called, priority),
        compared=_resolve_compared(called, compare_with),
        sink=resolve_sink(by, sink),
    )
    _check_against_each_other(asked)
    if asked.sink is not None:
        rows_of = asked.read.dataset if asked.read else None
        require_reached(asked.sink.connection, classification_of_results(called.model, rows_of))
    return asked


def resolve_called(by: Principal, model: str, version: int | None) -> ModelVersion:
    """The model version that a ref, or a name with a number, means now."""
    ref = parse_ref(model, pointer="/model")
    if version is None:
        return called_version(by, ref)
    if ref.alias is not None:
        raise InvalidField(
            f"“{model}” names an alias already; give the version with the bare name.",
            pointer="/version",
        )
    return find_version(by, ref.name, version)


def resolve_read(by: Principal, dataset: str) -> DatasetVersion:
    """The dataset version that ``name`` (its newest one that was not rejected) or ``name@3`` means.

    Raises InvalidField, DatasetNotFound, VersionNotFound, NotAllowed for who may not have the rows,
    StateConflict where nothing can be read, and RowsErased.
    """
    name, at, number = dataset.partition("@")
    if at and not (number.isascii() and number.isdigit() and 0 < len(number) < 10):
        raise InvalidField(
            f"“{dataset}” is no dataset: expected a name, or name@3 for its version 3.",
            pointer="/dataset",
        )
    found = find_dataset(by, name)
    rows = found.versions.select_related("dataset").order_by("-number")
    if at:
        version = rows.filter(number=int(number)).first()
        if version is None:
            raise VersionNotFound(f"The dataset “{found.name}” has no version {int(number)}.")
    else:
        version = rows.exclude(status=DatasetStatus.REJECTED).first() or rows.first()
    if version is None or version.status == DatasetStatus.REJECTED:
        raise StateConflict(f"{version or found.name} was rejected: there are no rows to score.")
    require_readable(by, version)
    return version


def checked_keep(keep: object) -> list[str] | None:
    """``keep_columns`` as it is stored: None for all. Raises InvalidField."""
    if keep == KEEP_ALL:
        return None
    if isinstance(keep, list) and all(isinstance(name, str) for name in keep):
        return keep
    raise InvalidField('"all" or a list of column names was expected.', pointer="/keep_columns")


def checked_on_row_error(policy: object) -> str:
    """``on_row_error`` as it is stored. Raises InvalidField."""
    if isinstance(policy, str) and policy in list(OnRowError):
        return OnRowError(policy).value
    raise InvalidField("One of reject, fail was expected.", pointer="/on_row_error")


def checked_chunk_rows(rows: int) -> int:
    """The most rows of a chunk. Raises InvalidField."""
    if isinstance(rows, bool) or not 1 <= rows <= MAX_CHUNK_ROWS:
        raise InvalidField(
            f"A whole number from 1 to {MAX_CHUNK_ROWS:,} was expected.", pointer="/chunk_rows"
        )
    return rows


def _usual_rows(version: ModelVersion) -> int:
    return COMPILED_CHUNK_ROWS if version.engine == Engine.COMPILED else CHUNK_ROWS


def _checked_priority(by: Principal, version: ModelVersion, priority: int | None) -> int:
    if priority is None:
        return 0
    if isinstance(priority, bool) or not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise InvalidField(
            f"A whole number from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY} was expected.",
            pointer="/priority",
        )
    if priority > 0:
        require(by, roles.PUBLISHER, version.model)
    return priority


def _resolve_compared(version: ModelVersion, other: object) -> ModelVersion | None:
    """The version that ``other`` means; None for None. It must be one that can be called."""
    if other is None:
        return None
    found = _find_compared(version, other)
    found.require_servable()
    if found.pk == version.pk:
        raise InvalidField(
            f"{version} would be compared with itself: name another version, or another alias.",
            pointer="/compare_with",
        )
    return found


def _find_compared(version: ModelVersion, other: object) -> ModelVersion:
    if isinstance(other, str) and other.startswith("@"):
        ref = parse_ref(f"{version.model.name}{other}", pointer="/compare_with")
        assert ref.alias is not None
        return pointed_to(version.model, ref.alias)
    number = int(other) if isinstance(other, str) and _NUMBER.fullmatch(other) else other
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < _NUMBERS_END:
        raise InvalidField(
            "The number of a version was expected, or an alias such as @champion.",
            pointer="/compare_with",
        )
    return version_of(version.model, number)


def column_names(version: DatasetVersion) -> list[str]:
    """Names of the columns of a version that is ready, in its order."""
    return [column["name"] for column in version.columns]


def _check_against_each_other(asked: Asked) -> None:
    """What can be known at acceptance; the columns again when a pending dataset is ready."""
    if asked.outputs is not None and not asked.outputs:
        raise InvalidField("At least one output was expected.", pointer="/outputs")
    choose_outputs(asked.version.parsed_facts, asked.outputs)
    names = _known_columns(asked.read)
    if names is not None:
        require_inputs(asked.version.parsed_signature, names)
        kept_columns(asked.keep_columns, names)
    if asked.compared is not None:
        _check_compared(asked, asked.compared, names)


def _known_columns(version: DatasetVersion | None) -> list[str] | None:
    """The names of the columns; None before the rows were read."""
    if version is None or version.status != DatasetStatus.READY:
        return None
    return column_names(version)


def _check_compared(asked: Asked, other: ModelVersion, names: list[str] | None) -> None:
    if not shared_kinds(asked.version.parsed_facts, other.parsed_facts, asked.outputs):
        raise InvalidField(
            f"{other} has none of the outputs that are asked for.", pointer="/compare_with"
        )
    if names is not None:
        try:
            require_inputs(other.parsed_signature, names)
        except InvalidField as error:
            raise InvalidField(f"{other}: {error.detail}", pointer="/compare_with") from None
