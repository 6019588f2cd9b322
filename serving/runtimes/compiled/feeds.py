"""Validated rows as the inputs of a compiled graph, straight from Python cells or from Arrow.

What goes in is written down in ``graph_check.expected_inputs``: numbers and truth values as one
matrix ``x`` of doubles, NaN where null; texts as one matrix ``s``, "" where null, with ``n`` true
there; or one tensor ``x``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from registry.signature.lean import LeanCells, LeanColumns
from registry.signature.tensors import leaf_of
from registry.signature.types import Signature

Array = np.ndarray[Any, Any]
Feeds = dict[str, Array]


class Feeder:
    """Fills the inputs of one graph. Thread-safe: it holds nothing of a request."""

    def __init__(self, signature: Signature) -> None:
        columns = signature.inputs
        self._shape = columns[0].shape
        texts = [at for at, column in enumerate(columns) if column.type == "string"]
        numbers = [at for at, column in enumerate(columns) if column.type != "string"]
        self._numbers, self._texts = numbers, texts
        # What was sent as 0.1 is the nearest float32 in such a column, widened again.
        self._singles = [i for i, at in enumerate(numbers) if columns[at].type == "float32"]
        self._has_nulls = any(columns[at].nullable for at in texts)

    def feeds(self, held: pa.RecordBatch | LeanColumns) -> Feeds:
        """Name -> array for all inputs. Raises ValueError for a tensor that is null."""
        if isinstance(held, LeanColumns):
            columns, n_rows = held.cells, held.n_rows
        else:
            columns, n_rows = held.columns, held.num_rows
        if self._shape is not None:
            return {"x": _tensor(columns[0], (n_rows, *self._shape))}
        feeds = {}
        if self._numbers:
            feeds["x"] = self._matrix([columns[at] for at in self._numbers], n_rows)
        if self._texts:
            feeds |= self._words([columns[at] for at in self._texts], n_rows)
        return feeds

    def _words(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        if n_rows == 1:
            row = _row_of(columns)
            filled = ["" if cell is None else cell for cell in row] if None in row else row
            feeds = {"s": np.array([filled], dtype=object)}
            if self._has_nulls:
                feeds["n"] = np.array([[cell is None for cell in row]])
            return feeds
        feeds = {"s": _table(columns, n_rows, object, _texts)}
        if self._has_nulls:
            feeds["n"] = _table(columns, n_rows, np.bool_, _nulls)
        return feeds

    def _matrix(self, columns: Sequence[LeanCells], n_rows: int) -> Array:
        if n_rows == 1:
            x = np.array([_row_of(columns)], dtype=np.float64)
        else:
            x = _table(columns, n_rows, np.float64, _doubles)
        if self._singles:
            x[:, self._singles] = x[:, self._singles].astype(np.float32)
        return x


def _table(
    columns: Sequence[LeanCells], n_rows: int, kind: Any, read: Callable[[LeanCells], Any]
) -> Array:
    """Shape (n_rows, n_columns). Texts are objects: numpy's own lose zero characters at the end."""
    table = np.empty((n_rows, len(columns)), dtype=kind)
    for column, cells in zip(table.T, columns, strict=True):
        column[:] = read(cells)
    return table


def _row_of(columns: Sequence[LeanCells]) -> list[Any]:
    """The cells of a table of one row."""
    return [cells[0].as_py() if isinstance(cells, pa.Array) else cells[0] for cells in columns]


def _doubles(cells: LeanCells) -> Array:
    """NaN where null."""
    if not isinstance(cells, pa.Array):
        return np.fromiter(cells, np.float64, len(cells))
    if cells.null_count and pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int8())
    found: Array = cells.to_numpy(zero_copy_only=False)
    return found


def _texts(cells: LeanCells) -> Any:
    """ "" where null."""
    if isinstance(cells, pa.Array):
        # Texts repeat: each is made a Python text once.
        known = (cells.fill_null("") if cells.null_count else cells).dictionary_encode()
        return known.dictionary.to_numpy(zero_copy_only=False)[known.indices.to_numpy()]
    return ["" if cell is None else cell for cell in cells] if None in cells else cells


def _nulls(cells: LeanCells) -> Any:
    if isinstance(cells, pa.Array):
        return cells.is_null().to_numpy(zero_copy_only=False) if cells.null_count else False
    return [cell is None for cell in cells] if None in cells else False


def _tensor(cells: LeanCells, shape: tuple[int, ...]) -> Array:
    if not isinstance(cells, pa.Array):
        return np.array(cells, dtype=np.float64).reshape(shape)
    if cells.null_count:
        raise ValueError("a tensor is null")
    leaf = leaf_of(cells, len(shape) - 1).to_numpy(zero_copy_only=False)
    found: Array = leaf.astype(np.float64, copy=False).reshape(shape)
    return found
