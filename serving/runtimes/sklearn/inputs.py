"""Makes the X that the estimator was trained on out of a validated RecordBatch.

The type of X follows from the schema alone and never from the values of one batch, so that a row
is answered alike whichever rows travel with it: a nullable integer column is float64 even when
this batch has no null in it, as it was in the training frame that had some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.facts import InputForm
from serving.runtimes.arrays import tensor_of

# What pandas 3 calls ``str``: missing is NaN.
_STR = pd.StringDtype(na_value=np.nan)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column becomes what the first step saw at fit.

    ``none_is_missing``: the fitted categories (or the imputer) hold None, so that null must be
    None and not NaN. ``naive_time``: fitted on times without a zone. ``categories``: a pandas
    category with these values is wanted. ``sample``: a value that the first step knows.
    """

    none_is_missing: bool = False
    naive_time: bool = False
    categories: tuple[Any, ...] | None = None
    sample: Any = None


_PLAIN = ColumnPlan()


def make_input(
    form: InputForm,
    batch: pa.RecordBatch,
    names: Sequence[str] | None,
    plans: Mapping[str, ColumnPlan],
) -> Any:
    """X in the given form, one row per row of the batch, columns in the order of ``names``.

    ``names`` are the names at fit, None where the object knows none: then the batch's own order
    counts. Raises InvalidField when the batch lacks a column.
    """
    if names is not None and form != "records":
        batch = _in_order(batch, names)
    return _FORMS[form](batch, plans)


def _in_order(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    if batch.schema.names == list(names):
        return batch
    lacking = [name for name in names if name not in batch.schema.names]
    if lacking:
        raise InvalidField(f"The model was fitted with the column {lacking[0]!r}, which is absent.")
    return batch.select(list(names))


def _frame(batch: pa.RecordBatch, plans: Mapping[str, ColumnPlan]) -> pd.DataFrame:
    columns = {
        field.name: _series_of(array, field, plans.get(field.name, _PLAIN))
        for field, array in zip(batch.schema, batch.columns, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows))


def _series_of(array: pa.Array, field: pa.Field, plan: ColumnPlan) -> Any:
    """One column of the frame as a numpy or pandas array."""
    if plan.categories is not None:
        return pd.Categorical(_cells(array, field, plan), categories=plan.categories)
    if pa.types.is_string(field.type) and not plan.none_is_missing:
        return _STR.__from_arrow__(array)
    if pa.types.is_timestamp(field.type) and not plan.naive_time:
        return pd.array(array.to_numpy(zero_copy_only=False)).tz_localize("UTC")
    cells = _cells(array, field, plan)
    # Left alone, pandas 3 would read an object array of texts as ``str`` and None as NaN.
    return pd.Series(cells, dtype=object) if cells.dtype == object else cells


def _cells(array: pa.Array, field: pa.Field, plan: ColumnPlan) -> np.ndarray:
    """The column as a numpy array of the type that pandas 3 would give it, missing as NaN."""
    kind = field.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        raise InvalidField(f"The model takes no tensor in the column {field.name!r}.")
    if pa.types.is_timestamp(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) and field.nullable:
        # Beyond 2**53 this rounds, as it did when pandas read the training data.
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_boolean(kind) and not field.nullable:
        return np.asarray(array.to_numpy(zero_copy_only=False))
    return _objects(array, None if plan.none_is_missing else np.nan)


def _objects(array: pa.Array, missing: float | None) -> np.ndarray:
    """Plain Python values in an object array; null is ``missing``."""
    cells = np.empty(len(array), dtype=object)
    cells[:] = array.to_pylist()
    if missing is not None and array.null_count:
        cells[np.asarray(array.is_null().to_numpy(zero_copy_only=False))] = missing
    return cells


def _matrix(batch: pa.RecordBatch, plans: Mapping[str, ColumnPlan]) -> np.ndarray:
    """Shape (n_rows, n_features); a tensor column gives as many features as it has elements."""
    parts = [
        tensor_of(array, field).reshape(batch.num_rows, -1)
        if pa.types.is_nested(field.type)
        else _cells(array, field, plans.get(field.name, _PLAIN))
        for field, array in zip(batch.schema, batch.columns, strict=True)
    ]
    kinds = {part.dtype.kind for part in parts}
    if kinds <= set("biuf"):
        dtype = np.result_type(*parts) if parts else np.dtype(np.float64)
    else:
        dtype = parts[0].dtype if len(parts) == 1 else np.dtype(object)
    wide = sum(1 if part.ndim == 1 else part.shape[1] for part in parts)
    matrix = np.empty((batch.num_rows, wide), dtype=dtype)
    at = 0
    for part in parts:
        end = at + (1 if part.ndim == 1 else part.shape[1])
        matrix[:, at:end] = part.reshape(batch.num_rows, -1)
        at = end
    return matrix


def _series(batch: pa.RecordBatch, plans: Mapping[str, ColumnPlan]) -> np.ndarray:
    """Shape (n_rows,): raw texts, or labels."""
    field = _only(batch)
    return _cells(batch.column(0), field, plans.get(field.name, _PLAIN))


def _tensor(batch: pa.RecordBatch, plans: Mapping[str, ColumnPlan]) -> np.ndarray:
    del plans
    return tensor_of(batch.column(0), _only(batch))


def _only(batch: pa.RecordBatch) -> pa.Field:
    if batch.num_columns != 1:
        raise InvalidField(f"The model takes one column, not {batch.num_columns}.")
    return batch.schema.field(0)


def _records(batch: pa.RecordBatch, plans: Mapping[str, ColumnPlan]) -> list[dict[str, Any]]:
    """One dict per row; a null is left out, which is how such a model was shown absence."""
    del plans
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in batch.to_pylist()
    ]


_FORMS: dict[InputForm, Callable[[pa.RecordBatch, Mapping[str, ColumnPlan]], Any]] = {
    "frame": _frame,
    "matrix": _matrix,
    "series": _series,
    "records": _records,
    "tensor": _tensor,
}
