"""Validated rows as the inputs of a compiled graph, straight from Python cells or from Arrow.

What goes in is written down in ``graph_check.expected_inputs``: one matrix ``x`` of doubles, or an
input per column, ``c0``, ``c1``, ..., of shape (n_rows, 1), with ``n<i>`` true where a text is
null. A null number is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from registry.signature.lean import LeanCells, LeanColumns
from registry.signature.tensors import leaf_of
from registry.signature.types import Column, Signature

Array = np.ndarray[Any, Any]
Feeds = dict[str, Array]
_Filler = Callable[[LeanCells, Feeds], None]


class Feeder:
    """Fills the inputs of one graph. Thread-safe: it holds nothing of a request."""

    def __init__(self, signature: Signature, inputs: Literal["matrix", "columns"]) -> None:
        self._columns = signature.inputs
        self._fill: Callable[[Sequence[LeanCells], int], Feeds] = self._by_column
        if signature.inputs[0].shape is not None:
            self._fill = self._tensor
        elif inputs == "matrix":
            self._fill = self._matrix
        self._fillers = [_filler(at, column) for at, column in enumerate(self._columns)]
        # What was sent as 0.1 is the nearest float32 in such a column, widened again.
        self._singles = [at for at, c in enumerate(self._columns) if c.type == "float32"]

    def feeds(self, held: pa.RecordBatch | LeanColumns) -> Feeds:
        """Name -> array for all inputs of the graph."""
        if isinstance(held, LeanColumns):
            return self._fill(held.cells, held.n_rows)
        return self._fill(held.columns, held.num_rows)

    def _matrix(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        if n_rows == 1 and not isinstance(columns[0], pa.Array):
            x = np.array([[cells[0] for cells in columns]], dtype=np.float64)
        else:
            x = np.empty((n_rows, len(columns)), dtype=np.float64)
            for at, cells in enumerate(columns):
                x[:, at] = _doubles(cells)
        if self._singles:
            x[:, self._singles] = x[:, self._singles].astype(np.float32)
        return {"x": x}

    def _by_column(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        feeds: Feeds = {}
        for cells, fill in zip(columns, self._fillers, strict=True):
            fill(cells, feeds)
        return feeds

    def _tensor(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        """Raises ValueError for a null cell, of which no tensor can be made."""
        shape = (n_rows, *(self._columns[0].shape or ()))
        (cells,) = columns
        if not isinstance(cells, pa.Array):
            return {"x": np.array(cells, dtype=np.float64).reshape(shape)}
        if cells.null_count:
            raise ValueError("a tensor is null")
        leaf = leaf_of(cells, len(shape) - 1).to_numpy(zero_copy_only=False)
        return {"x": leaf.astype(np.float64, copy=False).reshape(shape)}


def _filler(at: int, column: Column) -> _Filler:
    """What puts the cells of one column into the feeds."""
    name, null_name = f"c{at}", f"n{at}"
    if column.type == "string" and column.nullable:

        def fill_texts(cells: LeanCells, feeds: Feeds) -> None:
            feeds[name], feeds[null_name] = _texts_and_nulls(cells)

        return fill_texts
    read = _reader(column)

    def fill(cells: LeanCells, feeds: Feeds) -> None:
        feeds[name] = read(cells).reshape(-1, 1)

    return fill


def _reader(column: Column) -> Callable[[LeanCells], Array]:
    if column.type == "string":
        return _texts
    if column.type == "float32":
        return _singles
    if column.nullable or column.type == "float64":
        return _doubles
    return _truths if column.type == "boolean" else _wholes


def _doubles(cells: LeanCells) -> Array:
    if not isinstance(cells, pa.Array):
        return np.fromiter(cells, np.float64, len(cells))  # None becomes NaN
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int8())
    found: Array = cells.to_numpy(zero_copy_only=False)  # null becomes NaN
    return found.astype(np.float64, copy=False)


def _singles(cells: LeanCells) -> Array:
    return _doubles(cells).astype(np.float32).astype(np.float64)


def _wholes(cells: LeanCells) -> Array:
    return _numbers(cells, np.int64)


def _truths(cells: LeanCells) -> Array:
    return _numbers(cells, np.bool_)


def _numbers(cells: LeanCells, kind: Any) -> Array:
    if not isinstance(cells, pa.Array):
        return np.fromiter(cells, kind, len(cells))
    found: Array = cells.to_numpy(zero_copy_only=False)
    return found.astype(kind, copy=False)


def _texts(cells: LeanCells) -> Array:
    """Python's own texts: numpy's would lose zero characters at the end."""
    if isinstance(cells, pa.Array):
        found: Array = cells.to_numpy(zero_copy_only=False)
        return found
    return np.array(cells, dtype=object)


def _texts_and_nulls(cells: LeanCells) -> tuple[Array, Array]:
    """The texts, "" for null, and where the nulls are."""
    if isinstance(cells, pa.Array):
        nulls = cells.is_null().to_numpy(zero_copy_only=False)
        texts = _texts(cells.fill_null("") if cells.null_count else cells)
    elif None in cells:
        nulls = np.fromiter((cell is None for cell in cells), np.bool_, len(cells))
        texts = _texts(["" if cell is None else cell for cell in cells])
    else:
        nulls, texts = np.zeros(len(cells), np.bool_), _texts(cells)
    return texts.reshape(-1, 1), nulls.reshape(-1, 1)
