"""Plain: which columns of a dataset a job reads, keeps and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.dtypes import DTYPES
from registry.signature.names import nearest, shown
from registry.signature.types import Signature
from serving.protocols.tables import input_names

KEEP_ALL = "all"
NAMES_SHOWN = 20
REJECT_COLUMNS = ("row", "column", "code", "received")


class OnRowError(StrEnum):
    """What a bad row does: it goes to the rejects, or the job fails."""

    REJECT = "reject"
    FAIL = "fail"


def require_inputs(signature: Signature, dataset_columns: Sequence[str]) -> None:
    """Every input of the signature must be a column of the dataset.

    A nullable input too: a whole column that is missing is a slip, not a million missing values.
    Raises InvalidField, which names the missing columns and the nearest ones that are there.
    """
    held = set(dataset_columns)
    missing = [name for name in signature.input_names if name not in held]
    if not missing:
        return
    known = [name for name in dataset_columns if name not in signature.input_names]
    named = [_with_nearest(name, known) for name in missing[:NAMES_SHOWN]]
    more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
    noun = "column" if len(missing) == 1 else "columns"
    raise InvalidField(
        f"The dataset lacks the {noun} {', '.join(named)}{more}.", pointer="/dataset"
    )


def kept_columns(keep: Sequence[str] | None, dataset_columns: Sequence[str]) -> tuple[str, ...]:
    """The input columns that stand in the result, in the dataset's order; None keeps all.

    Raises InvalidField for a name that the dataset does not have, or that stands there twice.
    """
    if keep is None:
        return tuple(dataset_columns)
    held, asked = set(dataset_columns), set[str]()
    for index, name in enumerate(keep):
        pointer = f"/keep_columns/{index}"
        if name not in held:
            raise InvalidField(
                f"The dataset has no column {_with_nearest(name, dataset_columns)}.",
                pointer=pointer,
            )
        if name in asked:
            raise InvalidField(f"The column `{shown(name)}` stands here twice.", pointer=pointer)
        asked.add(name)
    return tuple(name for name in dataset_columns if name in asked)


def key_columns(kept: Sequence[str], signature: Signature) -> tuple[str, ...]:
    """What tells a rejected row from others: the kept columns that the model does not take."""
    inputs = set(signature.input_names)
    return tuple(name for name in kept if name not in inputs)


def result_columns(schema: pa.Schema, kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The columns of a result as JSON. ``kept`` are the dataset's columns that it begins with.

    A kept column stays what it was, under the name that it has in the result; what the model
    answered may be null. Raises ValueError for an Arrow type that is none of ours.
    """
    described: list[dict[str, Any]] = []
    for position, field in enumerate(schema):
        if position < len(kept):
            described.append({**kept[position], "name": field.name})
        else:
            described.append({"name": field.name, **_type_of(field.type), "nullable": True})
    return described


def columns_without_rows(
    kept: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The columns of a result in which no row came through: kept ones, then the signature's."""
    names = input_names(
        [column["name"] for column in kept], {column["name"]: pa.nulls(0) for column in outputs}
    )
    renamed = [{**column, "name": name} for column, name in zip(kept, names, strict=True)]
    return renamed + [dict(column) for column in outputs]


def reject_columns(keys: Sequence[Mapping[str, Any]], *, hides_cells: bool) -> list[dict[str, Any]]:
    """The columns of rejects as JSON: row, keys, column, code and, unless hidden, received."""
    described: list[dict[str, Any]] = [{"name": "row", "type": "int64", "nullable": False}]
    names = key_names([key["name"] for key in keys])
    described += [{**key, "name": name} for key, name in zip(keys, names, strict=True)]
    texts = ("column", "code") if hides_cells else ("column", "code", "received")
    return described + [{"name": name, "type": "string", "nullable": True} for name in texts]


def key_names(names: Sequence[str]) -> list[str]:
    """What keys are called among rejects: one with a name of ours becomes ``input.<name>``."""
    return input_names(names, REJECT_COLUMNS)


def _type_of(arrow: pa.DataType) -> dict[str, Any]:
    rank = 0
    while pa.types.is_list(arrow) or pa.types.is_fixed_size_list(arrow):
        arrow, rank = arrow.value_type, rank + 1
    key = next((key for key, dtype in DTYPES.items() if dtype.arrow == arrow), None)
    if key is None:
        raise ValueError(f"a result cannot hold the type {arrow}")
    return {"type": key, "shape": [-1] * rank} if rank else {"type": key}


def _with_nearest(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    return f"`{shown(name)}` (nearest: `{shown(near)}`)" if near else f"`{shown(name)}`"
