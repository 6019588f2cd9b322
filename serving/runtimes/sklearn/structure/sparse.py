"""scipy's sparse arrays: its C++ believes index pointers and indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.runtimes.sklearn.structure.findings import indices_within, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "sparse"


def check_sparse(matrix: Any, place: Place) -> None:
    """A csr, csc, bsr, coo or dia array or matrix; no fitted estimator keeps another."""
    shape = matrix.shape
    fits = all(isinstance(size, int | np.integer) and size >= 0 for size in shape)
    require(len(shape) == 2 and fits, _KIND, place, f"the shape {shape!r:.60}, two sizes expected")
    check = _BY_FORMAT.get(matrix.format)
    if check is None:
        refuse(
            _KIND, place, f"the format {matrix.format!r:.20}, csr, csc, bsr, coo or dia expected"
        )
    check(matrix, place)


def _check_rows(matrix: Any, place: Place) -> None:
    """csr and csc, which is csr turned over."""
    rows, columns = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
    _numbers(matrix.data, 1, place.attribute("data"))
    _check_pointers(matrix, rows, columns, place)
    require(
        len(matrix.data) == len(matrix.indices),
        _KIND,
        place.attribute("data"),
        f"{len(matrix.data)} values for {len(matrix.indices)} indices",
    )
    _check_flags(matrix, place)


def _check_blocks(matrix: Any, place: Place) -> None:
    _numbers(matrix.data, 3, place.attribute("data"))
    count, height, width = matrix.data.shape
    rows, columns = matrix.shape
    whole = height > 0 and width > 0 and rows % height == 0 and columns % width == 0
    require(whole, _KIND, place.attribute("data"), f"blocks {height}x{width} do not fill the shape")
    _check_pointers(matrix, rows // height, columns // width, place)
    fits = count == len(matrix.indices)
    require(fits, _KIND, place.attribute("data"), f"{count} blocks, {len(matrix.indices)} indices")


def _check_pointers(matrix: Any, rows: int, columns: int, place: Place) -> None:
    pointers = _indices(matrix.indptr, place.attribute("indptr"))
    indices = _indices(matrix.indices, place.attribute("indices"))
    at = place.attribute("indptr")
    require(len(pointers) == rows + 1, _KIND, at, f"{len(pointers)} entries for {rows} rows")
    starts_and_ends = pointers[0] == 0 and pointers[-1] <= len(indices)
    require(starts_and_ends, _KIND, at, f"does not lead from 0 to {len(indices)} at most")
    require(bool((np.diff(pointers) >= 0).all()), _KIND, at, "goes back, rising entries expected")
    if not indices_within(indices, columns):
        refuse(_KIND, place.attribute("indices"), f"out of range: columns are 0 to {columns - 1}")


def _check_flags(matrix: Any, place: Place) -> None:
    """What scipy was told of the order of the indices, and would not look at again."""
    held = vars(matrix)
    told = [name for name in ("_has_sorted_indices", "_has_canonical_format") if held.get(name)]
    if not told or len(matrix.indices) < 2:
        return
    rises = np.diff(matrix.indices)
    inside = np.ones(rises.size, dtype=bool)
    starts = matrix.indptr[1:-1]
    inside[starts[(starts > 0) & (starts <= rises.size)] - 1] = False
    inside[max(int(matrix.indptr[-1]) - 1, 0) :] = False
    least = 1 if "_has_canonical_format" in told else 0
    if (rises[inside] < least).any():
        refuse(_KIND, place.attribute(told[-1]), "is set, but the indices are not in order")


def _check_pairs(matrix: Any, place: Place) -> None:
    _numbers(matrix.data, 1, place.attribute("data"))
    for axis, size in enumerate(matrix.shape):
        at = place.attribute("coords").item(axis)
        found = _indices(matrix.coords[axis], at)
        fits = len(found) == len(matrix.data) and indices_within(found, size)
        require(fits, _KIND, at, f"not {len(matrix.data)} indices below {size}")


def _check_diagonals(matrix: Any, place: Place) -> None:
    _numbers(matrix.data, 2, place.attribute("data"))
    found = _indices(matrix.offsets, place.attribute("offsets"))
    fits = len(found) == len(matrix.data) and len(np.unique(found)) == len(found)
    require(
        fits, _KIND, place.attribute("offsets"), f"not one for each of {len(matrix.data)} diagonals"
    )


def _numbers(found: Any, ndim: int, place: Place) -> None:
    fits = isinstance(found, np.ndarray) and found.ndim == ndim and found.dtype.kind in "biufc"
    require(fits, _KIND, place, f"no array of numbers with {ndim} dimensions")


def _indices(found: Any, place: Place) -> np.ndarray:
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind != "i":
        refuse(_KIND, place, "no row of whole numbers")
    return found


_BY_FORMAT = {
    "csr": _check_rows,
    "csc": _check_rows,
    "bsr": _check_blocks,
    "coo": _check_pairs,
    "dia": _check_diagonals,
}
