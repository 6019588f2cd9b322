"""Validated rows as the inputs of a compiled graph, straight from Python cells or from Arrow.

What goes in is written down in ``graph_check.expected_inputs``: one matrix ``x`` of doubles; or
that for the numbers, with ``s`` for the texts and ``n`` true where they are null; or an input per
column, ``c0``, ``c1``, ..., of shape (n_rows, 1), with ``n<i>``. A null number is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from registry.signature.lean import LeanCells, LeanColumns
from registry.signature.tensors import leaf_of
from registry.signature.types import Column, Signature

Array = np.ndarray[Any, Any]
Feeds = dict[str, Array]


class Feeder:
    """Fills the inputs of one graph. Thread-safe: it holds nothing of a request."""

    def __init__(self, signature: Signature, inputs: Literal["matrix", "columns"]) -> None:
        self._columns = signature.inputs
        self._fill: Callable[[Sequence[LeanCells], int], Feeds] = self._by_column
        if signature.inputs[0].shape is not None:
            self._fill = self._tensor
        elif inputs == "matrix":
            self._fill = self._matrix
        self._groups = _groups(signature.inputs)
        self._texts = [
            (f"c{at}", f"n{at}", at, c.nullable) for at, c in _of_type(signature, "string")
        ]
        # What was sent as 0.1 is the nearest float32 in such a column, widened again.
        self._singles = [at for at, _ in _of_type(signature, "float32")]

    def feeds(self, held: pa.RecordBatch | LeanColumns) -> Feeds:
        """Name -> array for all inputs of the graph."""
        if isinstance(held, LeanColumns):
            return self._fill(held.cells, held.n_rows)
        return self._fill(held.columns, held.num_rows)

    def _matrix(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        x = np.ascontiguousarray(_block(columns, n_rows, np.float64).T)
        if self._singles:
            x[:, self._singles] = x[:, self._singles].astype(np.float32)
        return {"x": x}

    def _by_column(self, columns: Sequence[LeanCells], n_rows: int) -> Feeds:
        feeds: Feeds = {}
        for group in self._groups:
            block = _block([columns[at] for at in group.places], n_rows, group.kind)
            if group.is_single:
                block = block.astype(np.float32).astype(np.float64)
            feeds.update(zip(group.names, block.reshape(-1, n_rows, 1), strict=True))
        for name, null_name, at, is_nullable in self._texts:
            if is_nullable:
                feeds[name], feeds[null_name] = _texts_and_nulls(columns[at])
            else:
                feeds[name] = _texts(columns[at])
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


@dataclass(frozen=True, slots=True)
class _Group:
    """The columns that are read into arrays of one kind, at once: for one row that is faster."""

    kind: Any
    is_single: bool
    places: list[int]
    names: list[str]


def _groups(columns: Sequence[Column]) -> list[_Group]:
    groups: dict[tuple[Any, bool], _Group] = {}
    for at, column in enumerate(columns):
        if column.type != "string" and column.shape is None:
            kind, is_single = _kind_of(column), column.type == "float32"
            group = groups.setdefault((kind, is_single), _Group(kind, is_single, [], []))
            group.places.append(at)
            group.names.append(f"c{at}")
    return list(groups.values())


def _kind_of(column: Column) -> Any:
    if column.nullable or column.dtype.kind == "float":
        return np.float64
    return np.bool_ if column.type == "boolean" else np.int64


def _of_type(signature: Signature, key: str) -> list[tuple[int, Column]]:
    return [(at, column) for at, column in enumerate(signature.inputs) if column.type == key]


def _block(columns: Sequence[LeanCells], n_rows: int, kind: Any) -> Array:
    """Numbers or truth values of shape (n_columns, n_rows), NaN where null."""
    if n_rows == 1:
        return np.array([_cell(cells) for cells in columns], dtype=kind).reshape(-1, 1)
    block = np.empty((len(columns), n_rows), dtype=kind)
    for row, cells in zip(block, columns, strict=True):
        is_arrow = isinstance(cells, pa.Array)
        row[:] = _from_arrow(cells) if is_arrow else np.fromiter(cells, kind, n_rows)
    return block


def _cell(cells: LeanCells) -> Any:
    return cells[0].as_py() if isinstance(cells, pa.Array) else cells[0]


def _from_arrow(cells: pa.Array) -> Array:
    if cells.null_count and pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int8())
    found: Array = cells.to_numpy(zero_copy_only=False)  # null becomes NaN
    return found


def _texts(cells: LeanCells) -> Array:
    """Shape (n_rows, 1), of Python's own texts: numpy's lose zero characters at the end."""
    if isinstance(cells, pa.Array):
        found: Array = cells.to_numpy(zero_copy_only=False)
        return found.reshape(-1, 1)
    texts = np.empty((len(cells), 1), dtype=object)
    texts[:, 0] = cells
    return texts


def _texts_and_nulls(cells: LeanCells) -> tuple[Array, Array]:
    """The texts, "" for null, and where the nulls are."""
    if isinstance(cells, pa.Array):
        nulls: Array = cells.is_null().to_numpy(zero_copy_only=False)
        texts = _texts(cells.fill_null("") if cells.null_count else cells)
    elif None in cells:
        nulls = np.fromiter((cell is None for cell in cells), np.bool_, len(cells))
        texts = _texts(["" if cell is None else cell for cell in cells])
    else:
        nulls, texts = np.zeros(len(cells), np.bool_), _texts(cells)
    return texts, nulls.reshape(-1, 1)
