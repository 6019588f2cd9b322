"""Plain: reading a range of rows out of a table that lies in several Parquet files, memory flat."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from registry.signature.types import Signature
from registry.tabular.grouping import Groups
from serving.batch.ranges import RowRange

# How many rows are scored in one call. Fixed, so that the same rows always meet in the same call:
# matrix products of another height may differ in their last bit.
SCORE_ROWS = 16_384
SCORE_BYTES = 32 << 20
# Of the columns that are read, long texts among them: 16,384 rows of 4 KiB.
READ_BYTES = 64 << 20
_TEXT_BYTES = 32
# Of a file of 64 row groups and some twenty columns it is about half a megabyte.
FOOTERS_HELD = 16


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a dataset version: its name in the storage and its rows."""

    name: str
    rows: int

    @classmethod
    def from_json(cls, parts: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
        """The parts of a dataset version, in row order."""
        return tuple(cls(part["name"], part["rows"]) for part in parts)


def score_rows(signature: Signature) -> int:
    """How many rows go into one call: 16,384, fewer where tensors make rows large."""
    row_bytes = sum(
        _cells(column.shape) * (column.dtype.numpy.itemsize if column.shape else _TEXT_BYTES)
        for column in signature.inputs
    )
    return max(1, min(SCORE_ROWS, SCORE_BYTES // max(row_bytes, 1)))


class Footer:
    """What a Parquet file says of itself, and the row with which each of its groups begins.

    The last of ``group_starts`` is the number of rows.
    """

    def __init__(self, metadata: pq.FileMetaData) -> None:
        self.metadata = metadata
        counts = (metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))
        self.group_starts = list(accumulate(counts, initial=0))


class Footers:
    """The footers that were read last, by part; its bytes never change. Thread-safe."""

    def __init__(self, most: int = FOOTERS_HELD) -> None:
        self._most = most
        self._held: OrderedDict[str, Footer] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str) -> Footer | None:
        """None where it was not read, or not lately."""
        with self._lock:
            found = self._held.get(name)
            if found is not None:
                self._held.move_to_end(name)
            return found

    def put(self, name: str, metadata: pq.FileMetaData) -> Footer:
        """Remember what the file says of itself."""
        footer = Footer(metadata)
        with self._lock:
            self._held[name] = footer
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return footer


class OpenParts:
    """The Parquet files of a table in row order, each opened when its rows are asked for.

    ``opened`` gives a seekable file for a part's name, within a context. ``footers`` are those
    that were read before, of the same storage.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        opened: Callable[[str], AbstractContextManager[BinaryIO]],
        footers: Footers | None = None,
    ) -> None:
        self._parts = parts
        self._opened = opened
        self._footers = footers or Footers()

    def tables(
        self, rows: RowRange, *, columns: Sequence[str], batch_rows: int
    ) -> Generator[pa.Table, None, None]:
        """The rows of a range, in order, as tables of exactly ``batch_rows`` rows, the last less.

        Of large rows there are fewer in a table, as many as READ_BYTES hold; how many depends on
        the range and its rows alone. A range without rows yields nothing. Raises ValueError when a
        file has another number of rows than its part says, and what ``opened`` raises.
        """
        groups = Groups(batch_rows, READ_BYTES)
        for batch in self._pieces(rows, columns, batch_rows):
            for group in groups.add(batch):
                yield pa.Table.from_batches(group)
        if rest := groups.rest():
            yield pa.Table.from_batches(rest)

    def _pieces(
        self, rows: RowRange, columns: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        first = 0
        for part in self._parts:
            wanted = RowRange(max(rows.start - first, 0), min(rows.stop - first, part.rows))
            if wanted.start < wanted.stop:
                with self._opened(part.name) as file:
                    parquet, starts = self._parquet(file, part)
                    for group, low, high in _groups_of(starts, wanted):
                        yield from _rows_of_group(parquet, group, low, high, columns, batch_rows)
            first += part.rows
            if first >= rows.stop:
                return

    def _parquet(self, file: BinaryIO, part: Part) -> tuple[pq.ParquetFile, list[int]]:
        footer = self._footers.get(part.name)
        parquet = pq.ParquetFile(file, metadata=footer.metadata if footer else None)
        if footer is None:
            footer = self._footers.put(part.name, parquet.metadata)
        if footer.metadata.num_rows != part.rows:
            raise ValueError(f"{part.name} has {footer.metadata.num_rows} rows, not {part.rows}")
        return parquet, footer.group_starts


def _groups_of(starts: Sequence[int], wanted: RowRange) -> Iterator[tuple[int, int, int]]:
    """Row groups in which there are wanted rows, with the first and last of these within them."""
    group = bisect_right(starts, wanted.start) - 1
    while starts[group] < wanted.stop:
        low = max(wanted.start - starts[group], 0)
        yield group, low, min(wanted.stop, starts[group + 1]) - starts[group]
        group += 1


def _rows_of_group(
    file: pq.ParquetFile, group: int, low: int, high: int, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in file.iter_batches(
        batch_size=min(batch_rows, SCORE_ROWS),
        row_groups=[group],
        columns=list(columns),
        use_threads=False,
    ):
        start, stop = max(low - seen, 0), min(high - seen, batch.num_rows)
        seen += batch.num_rows
        if start < stop:
            # By name, not by position: Parquet answers in the file's order.
            yield batch.select(list(columns)).slice(start, stop - start)
        if seen >= high:
            return


def _cells(shape: tuple[int, ...] | None) -> int:
    cells = 1
    for dim in shape or ():
        cells *= dim if dim > 0 else 64
    return cells
