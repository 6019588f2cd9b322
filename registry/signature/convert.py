"""Plain: whole columns at once: cells to a typed Arrow array, or None where one does not convert.

The fast half of validation. It takes only what ``cells.py`` takes and gives the same values; when
in doubt it answers None, and the cells are then read one by one. A property test holds the two
together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.signature import tensors
from registry.signature.cells import DATE_PATTERN, TIME_PATTERN
from registry.signature.dtypes import DType
from registry.signature.judge import MISSING, Missing
from registry.signature.types import Column

# The years 1 to 9999, all that Python can hold.
DATE_DAYS = (-719_162, 2_932_896)
DATETIME_US = (-62_135_596_800_000_000, 253_402_300_799_999_999)
# Narrower than RFC 3339 where Arrow's own parser is: the rest takes the slow way.
_DATETIME_REGEX = rf"^{DATE_PATTERN}[T ]{TIME_PATTERN}(\.\d{{1,6}})?(Z|[+-]\d{{2}}:\d{{2}})$"
_NOWHERE = np.arange(0)
_DATE_REGEX = rf"^{DATE_PATTERN}$"
_PYTHON_KINDS: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int, float}),
    "float": frozenset({int, float}),
    "string": frozenset({str}),
    "datetime": frozenset({str}),
    "date": frozenset({str}),
}


def typed(cells: Sequence[Any] | pa.Array, column: Column) -> pa.Array | None:
    """The cells as an array of the column's type, null where null or missing; else None.

    Whether nulls are allowed, and enum and range, is not judged here: ``suspects`` does that.
    """
    try:
        if isinstance(cells, pa.Array):
            return _tensor_array(cells, column) if column.shape else scalars(cells, column.dtype)
        kinds = set(map(type, cells))
        if Missing in kinds:
            cells = [None if cell is MISSING else cell for cell in cells]
        if column.shape:
            return _tensor_list(cells, column)
        return _listed(cells, kinds - {NoneType, Missing}, column.dtype)
    # NotImplementedError is Arrow's for a cast that it does not know.
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, NotImplementedError):
        return None


def suspects(array: pa.Array, column: Column) -> np.ndarray[Any, Any]:
    """Positions whose value may break nullability, enum or range, ascending."""
    has_bounds = column.enum is not None or column.min is not None or column.max is not None
    if not has_bounds and (column.nullable or not array.null_count):
        return _NOWHERE
    n = len(array)
    doubtful = np.zeros(n, dtype=bool)
    if array.null_count and not column.nullable:
        doubtful |= array.is_null().to_numpy(zero_copy_only=False)
    if column.shape is None:
        return np.flatnonzero(doubtful | _outside(array, column))
    leaf = tensors.leaf_of(array, len(column.shape))
    # Naming the rows of bad elements is left to the slow way.
    return np.arange(n) if _outside(leaf, column).any() else np.flatnonzero(doubtful)


def scalars(array: pa.Array, dtype: DType) -> pa.Array | None:
    """An Arrow array of any type as one of the dtype, or None; NaN counts as null.

    May raise ArrowException where Arrow itself refuses.
    """
    array = plain(array)
    if pa.types.is_floating(array.type):
        if array.type == dtype.arrow and _is_finite(array):
            return array
        array = _without_nan(array)
    if array.null_count == len(array):
        return pa.nulls(len(array), dtype.arrow)
    return _FROM_ARROW[dtype.kind](array, dtype)


def plain(array: pa.Array) -> pa.Array:
    """The array without encodings: dictionary, run-end, extension, view and large types undone."""
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    return array.cast(pa.float32()) if pa.types.is_float16(kind) else array


def _listed(cells: Sequence[Any], kinds: set[type], dtype: DType) -> pa.Array | None:
    """Python values, of these types where they are not None."""
    if not kinds <= _PYTHON_KINDS[dtype.kind]:
        return None
    if dtype.kind == "integer" and float in kinds:
        return scalars(pa.array(cells, pa.float64()), dtype)
    if dtype.kind in ("datetime", "date"):
        return scalars(pa.array(cells, pa.string()), dtype)
    array = pa.array(cells, dtype.arrow)
    return scalars(array, dtype) if dtype.kind == "float" else array


def _outside(array: pa.Array, column: Column) -> np.ndarray[Any, Any]:
    outside = np.zeros(len(array), dtype=bool)
    if column.enum_set is not None:
        known = pc.or_(pc.is_in(array, value_set=column.enum_set), pc.is_null(array))
        outside |= ~known.to_numpy(zero_copy_only=False)
    for bound, breaks in ((column.min, pc.less), (column.max, pc.greater)):
        if bound is not None:
            broken = breaks(array, pa.scalar(bound, array.type)).fill_null(False)
            outside |= broken.to_numpy(zero_copy_only=False)
    return outside


def _is_finite(array: pa.Array) -> bool:
    """Neither NaN nor Infinity, found in one pass. False is not sure: a sum may be too large."""
    total = pc.sum(array).as_py()
    return total is None or math.isfinite(total)


def _without_nan(array: pa.Array) -> pa.Array:
    if _is_finite(array):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _finite(array: pa.Array) -> pa.Array | None:
    return array if _is_finite(array) or not pc.any(pc.is_inf(array)).as_py() else None


def _boolean(array: pa.Array, dtype: DType) -> pa.Array | None:
    return array if array.type == dtype.arrow else None


def _integer(array: pa.Array, dtype: DType) -> pa.Array | None:
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        return array.cast(dtype.arrow)  # the safe cast refuses what is not whole or not in range
    return None


def _float(array: pa.Array, dtype: DType) -> pa.Array | None:
    if pa.types.is_integer(array.type):
        return array.cast(dtype.arrow)  # refuses whole numbers that the float cannot hold
    if not pa.types.is_floating(array.type) or _finite(array) is None:
        return None
    if array.type == dtype.arrow:
        return array
    return _finite(array.cast(dtype.arrow))  # too large for float32 becomes infinite


def _string(array: pa.Array, dtype: DType) -> pa.Array | None:
    return array if array.type == dtype.arrow else None


def _datetime(array: pa.Array, dtype: DType) -> pa.Array | None:
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        return _within(array.cast(dtype.arrow), pa.int64(), DATETIME_US)
    if _all_match(array, _DATETIME_REGEX):
        return _within(array.cast(dtype.arrow), pa.int64(), DATETIME_US)
    return None


def _date(array: pa.Array, dtype: DType) -> pa.Array | None:
    if pa.types.is_date(array.type) or _all_match(array, _DATE_REGEX):
        return _within(array.cast(dtype.arrow), pa.int32(), DATE_DAYS)
    return None


def _all_match(array: pa.Array, regex: str) -> bool:
    if array.type != pa.string():
        return False
    return bool(pc.all(pc.match_substring_regex(array, regex)).as_py())


def _within(array: pa.Array, counted: pa.DataType, limits: tuple[int, int]) -> pa.Array | None:
    found = pc.min_max(array.cast(counted)).as_py()
    return array if limits[0] <= found["min"] and found["max"] <= limits[1] else None


_FROM_ARROW: dict[str, Callable[[pa.Array, DType], pa.Array | None]] = {
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "string": _string,
    "datetime": _datetime,
    "date": _date,
}


def _tensor_array(array: pa.Array, column: Column) -> pa.Array | None:
    nested = tensors.unnest_array(array, column.shape or ())
    return None if nested is None else _renested(nested, scalars(nested.leaf, column.dtype))


def _tensor_list(cells: Sequence[Any], column: Column) -> pa.Array | None:
    nested = tensors.unnest_list(cells, column.shape or ())
    if nested is None:
        return None
    kinds = set(map(type, nested.leaf))  # a null element is of no kind: it takes the slow way
    return _renested(nested, _listed(nested.leaf, kinds, column.dtype))


def _renested(nested: tensors.Nested, leaf: pa.Array | None) -> pa.Array | None:
    return None if leaf is None or leaf.null_count else tensors.nest(nested, leaf)
