"""Plain: how the rows of a dataset are cut into chunks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

# As many rows as a row group of the typed Parquet has, so that a chunk reads whole row groups.
CHUNK_ROWS = 65_536
# A compiled graph scores so many within seconds; to claim and to commit costs the same for each.
COMPILED_CHUNK_ROWS = 4 * CHUNK_ROWS
# A chunk is at most this part of what is left: several workers end at nearly the same time.
_PART_OF_REST = 8
MAX_CHUNK_ROWS = 1_000_000
# A job of more chunks would make every count over them slow: its chunks become larger instead.
MAX_CHUNKS = 10_000


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows ``start`` up to, not including, ``stop``; 0-based."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.stop - self.start


def effective_chunk_rows(rows: int, chunk_rows: int) -> int:
    """The asked chunk size, raised where it would make more than 10,000 chunks."""
    return max(chunk_rows, -(-rows // MAX_CHUNKS), 1)


def chunk_ranges(rows: int, chunk_rows: int) -> list[RowRange]:
    """Consecutive ranges that cover ``rows`` rows; one empty range for a dataset without rows.

    None is larger than asked; towards the end they become smaller, though never less than a row
    group because of that (guided self-scheduling, Polychronopoulos and Kuck 1987). The same rows
    and size give the same ranges, however many workers there are. The empty range lets a job on
    no rows take the way of every other job.
    """
    if rows == 0:
        return [RowRange(0, 0)]
    most = effective_chunk_rows(rows, chunk_rows)
    least = effective_chunk_rows(rows, min(chunk_rows, CHUNK_ROWS))
    ranges, start = [], 0
    while start < rows:
        wished = (rows - start) // _PART_OF_REST // least * least
        stop = min(start + max(least, min(wished, most)), rows)
        ranges.append(RowRange(start, stop))
        start = stop
    return ranges


def split_range(whole: RowRange, pieces: int) -> list[RowRange]:
    """The range in at most ``pieces`` consecutive ranges of nearly equal size, none empty."""
    count = max(1, min(pieces, whole.rows))
    bounds = [whole.start + whole.rows * i // count for i in range(count + 1)]
    return [RowRange(low, high) for low, high in pairwise(bounds)]
