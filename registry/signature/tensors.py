"""Plain: tensor columns: nested lists taken apart into lengths and leaves, and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Nested:
    """A column of tensors taken apart.

    ``lengths`` has one array per dimension: the lengths of all lists at that depth, 0 for a null
    cell. ``nulls`` marks the null cells, ``leaf`` holds the elements in row order.
    """

    lengths: tuple[np.ndarray[Any, Any], ...]
    nulls: np.ndarray[Any, Any]
    leaf: Any


def unnest_list(cells: Sequence[Any], shape: Sequence[int]) -> Nested | None:
    """Python cells (nested lists or None) taken apart; None when one has another shape."""
    nulls = np.fromiter((cell is None for cell in cells), dtype=bool, count=len(cells))
    level: list[Any] = [cell for cell in cells if cell is not None]
    lengths = []
    for depth, dim in enumerate(shape):
        if not set(map(type, level)) <= {list}:
            return None
        found = np.fromiter(map(len, level), dtype=np.int64, count=len(level))
        if not _fits(found, dim, depth):
            return None
        lengths.append(found)
        level = list(chain.from_iterable(level))
    return Nested(_with_nulls(lengths, nulls), nulls, level)


def unnest_array(array: pa.Array, shape: Sequence[int]) -> Nested | None:
    """An Arrow array of (fixed-size, large) lists taken apart; None when it has another shape."""
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    lengths = []
    for depth, dim in enumerate(shape):
        array = array.storage if isinstance(array, pa.ExtensionArray) else array
        if not _is_listed(array.type) or (depth and array.null_count):
            return None
        found = pc.list_value_length(array.drop_null()).to_numpy(zero_copy_only=False)
        if not _fits(found, dim, depth):
            return None
        lengths.append(found.astype(np.int64))
        array = array.drop_null().flatten()
    return Nested(_with_nulls(lengths, nulls), nulls, array)


def nest(nested: Nested, leaf: pa.Array) -> pa.Array:
    """The column again, as Arrow lists, with ``leaf`` as its elements."""
    array = leaf
    for depth in range(len(nested.lengths) - 1, -1, -1):
        offsets = np.concatenate(([0], np.cumsum(nested.lengths[depth])))
        mask = pa.array(nested.nulls) if depth == 0 and nested.nulls.any() else None
        array = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), array, mask=mask)
    return array


def leaf_of(array: pa.Array, rank: int) -> pa.Array:
    """All elements of a column of ``rank`` nested lists."""
    for _ in range(rank):
        array = array.flatten()
    return array


def _fits(found: np.ndarray[Any, Any], dim: int, depth: int) -> bool:
    if dim != -1:
        return bool((found == dim).all())
    # Inside a cell a free dimension must be the same all over; unless it is the same in the
    # whole column, that is left to the slow way.
    return depth == 0 or len(np.unique(found)) <= 1


def _is_listed(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _with_nulls(
    lengths: list[np.ndarray[Any, Any]], nulls: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], ...]:
    outer = np.zeros(len(nulls), dtype=np.int64)
    outer[~nulls] = lengths[0]
    return (outer, *lengths[1:])
