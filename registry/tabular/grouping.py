"""Plain: rows in groups that are bounded by number and by bytes, wherever their batches end.

What is counted depends on the rows alone: the bytes of texts, and the width of everything else. So
the same rows always come in the same groups, and a group of long texts has few rows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

Ends = np.ndarray[tuple[int], np.dtype[np.int64]]

ROW_GROUP_ROWS = 1 << 16
# 65,536 rows of 2 KiB; 250 columns of numbers.
ROW_GROUP_BYTES = 128 << 20
_OTHER_BYTES = 8


class Groups:
    """Takes batches, gives groups; none has more than ``rows`` rows.

    None has more than ``most_bytes`` bytes either, unless a single row has.
    """

    def __init__(self, rows: int = ROW_GROUP_ROWS, most_bytes: int = ROW_GROUP_BYTES) -> None:
        self._rows, self._bytes = rows, most_bytes
        self._held: list[pa.RecordBatch] = []
        self._count = self._size = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[list[pa.RecordBatch]]:
        """The groups that are complete with these rows."""
        while batch.num_rows:
            cut, size = self._fitting(batch)
            if cut:
                self._held.append(batch.slice(0, cut))
                self._count += cut
                self._size += size
                batch = batch.slice(cut)
            if batch.num_rows or self._count == self._rows:
                yield self.rest()

    def rest(self) -> list[pa.RecordBatch]:
        """What is held, as the last group; empty where nothing is."""
        held, self._held = self._held, []
        self._count = self._size = 0
        return held

    def _fitting(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """How many of the rows still fit into the group, and their bytes."""
        most = min(batch.num_rows, self._rows - self._count)
        left = self._bytes - self._size
        piece = batch.slice(0, most)
        size = sum(_total(column) for column in piece.columns)
        if size <= left:
            return most, size
        ends = sum((_ends(column) for column in piece.columns), np.zeros(most, np.int64))
        cut = int(np.searchsorted(ends, left, side="right"))
        if not cut and not self._count:
            cut = 1
        return cut, int(ends[cut - 1]) if cut else 0


def regrouped(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    rows: int = ROW_GROUP_ROWS,
    most_bytes: int = ROW_GROUP_BYTES,
) -> Generator[pa.Table, None, None]:
    """The same rows in tables of exactly ``rows`` rows, or fewer where these are large.

    The last one is shorter.
    """
    groups = Groups(rows, most_bytes)
    for batch in batches:
        for group in groups.add(batch):
            yield pa.Table.from_batches(group, schema)
    if held := groups.rest():
        yield pa.Table.from_batches(held, schema)


def _total(array: pa.Array) -> int:
    """The bytes of all cells."""
    offsets = _offsets(array)
    if offsets is None:
        return len(array) * _width(array.type)
    if not pa.types.is_nested(array.type):
        return int(offsets[-1] - offsets[0])
    return _total(array.values.slice(offsets[0], offsets[-1] - offsets[0]))


def _ends(array: pa.Array) -> Ends:
    """The bytes of the cells up to and with each."""
    offsets = _offsets(array)
    if offsets is None:
        return np.arange(1, len(array) + 1, dtype=np.int64) * _width(array.type)
    if pa.types.is_nested(array.type):
        values = array.values.slice(offsets[0], offsets[-1] - offsets[0])
        of_values = np.concatenate([np.zeros(1, np.int64), _ends(values)])
        ends: Ends = of_values[offsets[1:] - offsets[0]]
    else:
        ends = (offsets[1:] - offsets[0]).astype(np.int64)
    return ends


def _offsets(array: pa.Array) -> np.ndarray[Any, Any] | None:
    """Where each cell of texts and lists begins, and the last one ends; None for other types."""
    kind, types = array.type, pa.types
    if types.is_large_string(kind) or types.is_large_binary(kind) or types.is_large_list(kind):
        width: Any = np.int64
    elif types.is_string(kind) or types.is_binary(kind) or types.is_list(kind):
        width = np.int32
    else:
        return None
    found = array.buffers()[1]
    if not len(array) or found is None:
        return np.zeros(len(array) + 1, np.int64)
    return np.frombuffer(found, width, len(array) + 1, array.offset * np.dtype(width).itemsize)


def _width(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return _OTHER_BYTES
