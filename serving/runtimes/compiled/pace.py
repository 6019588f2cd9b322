"""Plain: how long one row takes, alone and among a thousand: the quickest of several calls.

What else the machine does only makes a call longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_CALLS = 30
_BATCHES = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: of a call with one row, and of a call with all ``rows`` rows; None if not taken."""

    one_row_s: float | None = None
    all_rows_s: float | None = None
    rows: int = 0


def pace_of(
    score: Callable[[Any], Any],
    batch: pa.RecordBatch,
    budget_s: float,
    prepared: Callable[[pa.RecordBatch], Any] = lambda rows: rows,
) -> Pace:
    """Call with single rows, then with all rows, as often as the time allows.

    ``prepared`` makes of rows what ``score`` takes, and does not count.
    """
    if not batch.num_rows:
        return Pace()
    until = time.monotonic() + budget_s / 2
    singles = [prepared(batch.slice(at % batch.num_rows, 1)) for at in range(_CALLS)]
    alone = [_seconds(score, one) for one in singles if not _is_over(until)]
    until += budget_s / 2
    whole = prepared(batch)
    score(whole)  # the first call allocates
    together = [_seconds(score, whole) for _ in range(_BATCHES) if not _is_over(until)]
    return Pace(min(alone, default=None), min(together, default=None), batch.num_rows)


def _is_over(until: float) -> bool:
    return time.monotonic() >= until


def _seconds(score: Callable[[Any], Any], batch: Any) -> float:
    began = time.perf_counter()
    score(batch)
    return time.perf_counter() - began
