"""Plain: reading a range of rows out of a table that lies in several Parquet files, memory flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from registry.signature.types import Signature
from serving.batch.ranges import RowRange

# How many rows are scored in one call. Fixed, so that the same rows always meet in the same call:
# matrix products of another height may differ in their last bit.
SCORE_ROWS = 16_384
SCORE_BYTES = 32 << 20
_TEXT_BYTES = 32


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


def read_tables(
    parts: Sequence[Part],
    local: Callable[[str], Path],
    rows: RowRange,
    *,
    columns: Sequence[str],
    batch_rows: int,
) -> Iterator[pa.Table]:
    """The rows of a range, in order, as tables of exactly ``batch_rows`` rows, the last one less.

    ``local`` gives a path for a part's name. A range without rows yields nothing. Raises
    ValueError when a file has another number of rows than its part says.
    """
    held: list[pa.Table] = []
    count = 0
    for table in _pieces(parts, local, rows, columns):
        offset = 0
        while offset < table.num_rows:
            piece = table.slice(offset, batch_rows - count)
            held.append(piece)
            offset += piece.num_rows
            count += piece.num_rows
            if count == batch_rows:
                yield pa.concat_tables(held)
                held, count = [], 0
    if held:
        yield pa.concat_tables(held)


def _pieces(
    parts: Sequence[Part], local: Callable[[str], Path], rows: RowRange, columns: Sequence[str]
) -> Iterator[pa.Table]:
    first = 0
    for part in parts:
        wanted = RowRange(max(rows.start - first, 0), min(rows.stop - first, part.rows))
        if wanted.start < wanted.stop:
            yield from _rows_of_file(local(part.name), part, wanted, columns)
        first += part.rows


def _rows_of_file(
    path: Path, part: Part, wanted: RowRange, columns: Sequence[str]
) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        if file.metadata.num_rows != part.rows:
            raise ValueError(f"{part.name} has {file.metadata.num_rows} rows, not {part.rows}")
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            low, high = max(wanted.start - first, 0), min(wanted.stop - first, count)
            if low < high:
                yield from _rows_of_group(file, group, low, high, columns)
            first += count


def _rows_of_group(
    file: pq.ParquetFile, group: int, low: int, high: int, columns: Sequence[str]
) -> Iterator[pa.Table]:
    seen = 0
    for batch in file.iter_batches(
        batch_size=SCORE_ROWS, row_groups=[group], columns=list(columns), use_threads=False
    ):
        start, stop = max(low - seen, 0), min(high - seen, batch.num_rows)
        seen += batch.num_rows
        if start < stop:
            # By name, not by position: Parquet answers in the file's order.
            table = pa.Table.from_batches([batch]).select(list(columns))
            yield table.slice(start, stop - start)
        if seen >= high:
            return


def _cells(shape: tuple[int, ...] | None) -> int:
    cells = 1
    for dim in shape or ():
        cells *= dim if dim > 0 else 64
    return cells
