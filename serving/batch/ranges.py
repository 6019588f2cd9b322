"""Plain: how the rows of a dataset are cut into chunks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

# As many rows as a row group of the typed Parquet has, so that a chunk reads whole row groups.
CHUNK_ROWS = 65_536
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

    The empty range lets a job on no rows take the way of every other job.
    """
    if rows == 0:
        return [RowRange(0, 0)]
    step = effective_chunk_rows(rows, chunk_rows)
    return [RowRange(start, min(start + step, rows)) for start in range(0, rows, step)]


def split_range(whole: RowRange, pieces: int) -> list[RowRange]:
    """The range in at most ``pieces`` consecutive ranges of nearly equal size, none empty."""
    count = max(1, min(pieces, whole.rows))
    bounds = [whole.start + whole.rows * i // count for i in range(count + 1)]
    return [RowRange(low, high) for low, high in pairwise(bounds)]
