"""Plain: columns as Python cells that surely fit a signature: what most requests are made of.

For one row of 14 columns Arrow costs ten times what reading the row costs. So cells that come out
of JSON are held as they are, and become Arrow when somebody asks for it. Nothing is refused here:
what is not sure goes to ``validate.py``, whose verdict is the only one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import pyarrow as pa

from registry.signature.cells import CellRefused
from registry.signature.convert import suspects, typed
from registry.signature.dtypes import DType
from registry.signature.judge import read_cell
from registry.signature.types import Column, Signature

# Up to here reading cell by cell is faster than a handful of Arrow calls (0.2 ms against 0.7 ms
# for one row of 14 columns).
FEW_CELLS = 12
# A member that is not the next one is looked up one by one, so that a wide row whose members
# stand in an unlucky order would cost the square of its width.
MAX_WIDTH = 512
# Whole numbers below these are exact as a float of the type, above only some are.
_EXACT_BELOW = {"float32": 1 << 24, "float64": 1 << 53}
_INT64 = (-(1 << 63), (1 << 63) - 1)

# The cells of one column, None where null: plain values of the column's type, or an Arrow array.
LeanCells: TypeAlias = "Sequence[Any] | pa.Array"


class LeanColumns(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Good cells by column, in signature order, each as long as ``n_rows``.

    Whole numbers of a float column may be int or float, texts are valid UTF-8, times are texts or
    aware datetimes; a float column has no NaN. Cells are never changed.
    """

    signature: Signature
    cells: tuple[LeanCells, ...]
    n_rows: int

    def to_batch(self) -> pa.RecordBatch:
        """The same rows as Arrow has them, in signature order and types."""
        arrays = [
            _to_array(cells, column)
            for cells, column in zip(self.cells, self.signature.inputs, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.signature.input_schema())


@dataclass(frozen=True, slots=True)
class LeanTypes:
    """A signature as msgspec types, one per column.

    What ``types`` takes is of the right kind; columns whose flag in ``doubtful`` is set need a
    second look (``LeanColumns`` come from ``settled`` alone).
    """

    signature: Signature
    types: tuple[Any, ...]
    doubtful: tuple[bool, ...]
    any_doubtful: bool

    def settled(self, cells: Sequence[Sequence[Any]], n_rows: int) -> LeanColumns | None:
        """The columns, once those in doubt were judged; None when one has a cell that is refused.

        ``cells`` are columns in signature order whose values ``types`` has taken.
        """
        if not self.any_doubtful:
            return LeanColumns(self.signature, tuple(cells), n_rows)
        kept: list[LeanCells] = list(cells)
        for position, column in compress(enumerate(self.signature.inputs), self.doubtful):
            judged = _judged(cells[position], column)
            if judged is None:
                return None
            kept[position] = judged
        return LeanColumns(self.signature, tuple(kept), n_rows)

    def converted(self, columns: Sequence[Sequence[Any]]) -> LeanColumns | None:
        """Python lists of equal length, in signature order, that surely fit; else None.

        For protocols that parse their JSON in another way. Texts must be valid Unicode, as those
        of a strict parser are: lone surrogates are not looked for.
        """
        n_rows = len(columns[0]) if columns else 0
        try:
            cells = [
                msgspec.convert(column, list[kind])  # type: ignore[valid-type]  # made at run time
                for column, kind in zip(columns, self.types, strict=True)
            ]
        except msgspec.ValidationError:
            return None
        return self.settled(cells, n_rows) if all(len(c) == n_rows for c in cells) else None


@lru_cache(maxsize=1024)
def lean_types(signature: Signature, *, roomy: bool = False) -> LeanTypes | None:
    """The types of a signature; None for one without columns, or with more than 512.

    ``roomy`` types take 20.0 for an integer and 1e20 for a float as well, at the price of a
    second look.
    """
    if not 0 < len(signature.inputs) <= MAX_WIDTH:
        return None
    pairs = [_lean_type(column, roomy) for column in signature.inputs]
    doubtful = tuple(doubt for _, doubt in pairs)
    return LeanTypes(signature, tuple(kind for kind, _ in pairs), doubtful, any(doubtful))


def _to_array(cells: LeanCells, column: Column) -> pa.Array:
    if isinstance(cells, pa.Array):
        return cells
    array = typed(cells, column) if len(cells) > FEW_CELLS else None
    if array is not None:
        return array
    values = [None if cell is None else read_cell(cell, column) for cell in cells]
    return pa.array(values, column.arrow)


def _judged(cells: Sequence[Any], column: Column) -> LeanCells | None:
    if len(cells) <= FEW_CELLS:
        try:
            return [read_cell(cell, column) for cell in cells]
        except CellRefused:
            return None
    array = typed(cells, column)
    return None if array is None or len(suspects(array, column)) else array


def _lean_type(column: Column, roomy: bool) -> tuple[Any, bool]:
    """The msgspec type of one cell, and whether what it takes is still in doubt."""
    kind, doubtful = _certain(column), False
    if kind is None or (roomy and column.dtype.is_number):
        kind, doubtful = _of_kind(column), True
    return (kind | None if column.nullable else kind), doubtful


def _certain(column: Column) -> Any:
    """A type that takes good cells only, though not all of them; None where there is none."""
    if column.shape is not None:
        return None
    if column.enum is not None:
        return _one_of(column)
    if column.dtype.kind == "integer":
        return _integer(column, column.dtype)
    if column.dtype.kind == "float":
        return _float(column, column.dtype)
    if column.min is not None or column.max is not None:
        return None
    return {"boolean": bool, "string": str}.get(column.dtype.kind)


def _one_of(column: Column) -> Any:
    """Texts only: among numbers 1, 1.0 and true are told apart by the second look."""
    is_plain = column.dtype.kind == "string" and column.min is None and column.max is None
    return Literal[column.enum] if is_plain and column.enum else None


def _integer(column: Column, dtype: DType) -> Any:
    low, high = dtype.bounds or _INT64
    low = low if column.min is None else max(low, column.min)
    high = high if column.max is None else min(high, column.max)
    if low < _INT64[0] or high > _INT64[1]:  # msgspec takes no bounds beyond
        return None
    return Annotated[int, msgspec.Meta(ge=low, le=high)]


def _float(column: Column, dtype: DType) -> Any:
    """Numbers so small that each whole one is exact, whichever way it was written."""
    limit = _EXACT_BELOW[dtype.key]  # not itself: 2**53 + 1 becomes it
    has_bounds = column.min is not None or column.max is not None
    if dtype.key == "float32" and has_bounds:  # the bounds hold for the rounded value
        return None
    low, high = float(-limit), float(limit)
    if column.min is not None:
        low = max(low, math.nextafter(column.min, -math.inf))
    if column.max is not None:
        high = min(high, math.nextafter(column.max, math.inf))
    return Annotated[float, msgspec.Meta(gt=low, lt=high)]  # NaN passes ge and le


def _of_kind(column: Column) -> Any:
    kinds: dict[str, Any] = {"boolean": bool, "integer": int | float, "float": int | float}
    kind = kinds.get(column.dtype.kind, str)
    for _ in column.shape or ():
        kind = list[kind]  # type: ignore[valid-type]  # made at run time
    return kind
