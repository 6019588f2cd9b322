"""Between numpy and Arrow: what every runtime needs to read tensors and to write answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from registry.errors import InvalidField
from serving.runtimes.base import MAX_DENSE_COLUMNS, python_label


class WrongAnswerCount(ValueError):
    """The model gave another number of answers than it was given rows."""


class TooWide(InvalidField):
    """A sparse answer with more columns than are made dense."""

    def __init__(self, width: int) -> None:
        super().__init__(
            f"The model answers with {width} sparse columns and at most {MAX_DENSE_COLUMNS} are"
            " made dense. Put SelectKBest or TruncatedSVD behind the last step.",
            pointer="/outputs",
        )


def tensor_of(array: pa.Array, field: pa.Field) -> np.ndarray:
    """Nested lists of one shape as an ndarray of shape (n_rows, ...).

    The validator has checked that every row has the same shape and that no element is null.
    """
    shape = [len(array)]
    values = array
    while pa.types.is_nested(values.type):
        inner = values.flatten()
        shape.append(len(inner) // max(len(values), 1))
        values = inner
    if array.null_count or values.null_count:
        raise InvalidField(f"The tensor in the column {field.name!r} has a missing value.")
    return np.array(values.to_numpy(zero_copy_only=False)).reshape(shape)


def columns_of(returned: Any, n_rows: int) -> list[np.ndarray]:
    """The columns of a 1-D or 2-D answer (array, sparse matrix or frame), each of ``n_rows``.

    Raises WrongAnswerCount, and TooWide for a sparse matrix of more than 4,096 columns.
    """
    if sparse.issparse(returned):
        if returned.shape[1] > MAX_DENSE_COLUMNS:
            raise TooWide(returned.shape[1])
        returned = returned.toarray()
    if hasattr(returned, "iloc") and getattr(returned, "ndim", 1) == 2:
        columns = [returned.iloc[:, i].to_numpy() for i in range(returned.shape[1])]
    else:
        array = np.asarray(returned)
        if array.ndim not in (1, 2):
            raise WrongAnswerCount(f"the model answered with an array of shape {array.shape}")
        columns = [array] if array.ndim == 1 else list(array.T)
    for column in columns[:1]:
        if len(column) != n_rows:
            raise WrongAnswerCount(f"the model gave {len(column)} answers for {n_rows} rows")
    return columns


def to_arrow(column: np.ndarray) -> pa.Array:
    """A column as boolean, int64 (uint64 where needed), float64, string or timestamp.

    The narrower types widen exactly. In object columns None and NaN are null unless the column
    is one of numbers.
    """
    kind = column.dtype.kind
    if kind == "b":
        return pa.array(column)
    if kind == "i":
        return pa.array(column.astype(np.int64, copy=False))
    if kind == "u":
        wide = np.uint64 if column.dtype.itemsize == 8 else np.int64
        return pa.array(column.astype(wide, copy=False))
    if kind == "f":
        return pa.array(column.astype(np.float64, copy=False))
    if kind == "U":
        return pa.array(column.tolist(), type=pa.string())
    if kind == "M":
        return pa.array(column.astype("datetime64[us]"), type=pa.timestamp("us", "UTC"))
    if kind == "O":
        return _objects_to_arrow(column)
    raise TypeError(f"an answer of type {column.dtype} cannot be written")


def _objects_to_arrow(column: np.ndarray) -> pa.Array:
    cells = [None if cell is None else python_label(cell) for cell in column.tolist()]
    types = {type(cell) for cell in cells if cell is not None}
    if types == {float} or types == {float, int}:
        return pa.array([None if c is None else float(c) for c in cells], type=pa.float64())
    cells = [None if isinstance(cell, float) and cell != cell else cell for cell in cells]
    types -= {float}
    for plain, arrow in ((bool, pa.bool_()), (int, pa.int64()), (str, pa.string())):
        if types == {plain}:
            return pa.array(cells, type=arrow)
    if not types:
        return pa.array(cells, type=pa.string())
    named = ", ".join(sorted(t.__name__ for t in types))
    raise TypeError(f"an answer that mixes {named} cannot be written")


def output_names(count: int) -> tuple[str | None, ...]:
    """None for a single output, else ``y0``, ``y1``, ... where a model keeps no names of them."""
    return (None,) if count == 1 else tuple(f"y{i}" for i in range(count))


def dtype_key(array: pa.Array) -> str:
    """The dtype key of an answer's array."""
    if pa.types.is_boolean(array.type):
        return "boolean"
    if pa.types.is_timestamp(array.type):
        return "datetime"
    return {"double": "float64"}.get(str(array.type), str(array.type))
