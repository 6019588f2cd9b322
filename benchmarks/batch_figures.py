"""B1 to B3: millions of rows through the whole ledger, beside scripts that only stream them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.batch_ground import ROWS, Ground, ground, worker_peaks
from benchmarks.figures import Figure, value

ROUNDS = 3
MIB = 1 << 20
CHECKED_ROWS = 20_000


def batch() -> Iterator[Figure]:
    """B1: two workers beside two bare processes; B3: what a worker holds meanwhile."""
    with ground() as here:
        yield _beside_scripts(here, "predictions alone", keeps=False)
        yield _beside_scripts(here, "all columns kept", keeps=True)
        most = max(worker_peaks(here.service).values()) / MIB
        yield value("B3", f"largest worker, {ROWS:,} rows", most, "MiB", reach=600)


def _beside_scripts(here: Ground, what: str, *, keeps: bool) -> Figure:
    _require_equal(here, keeps=keeps)
    return rows_in_turn(
        "B1",
        f"batch, {ROWS:,} rows, {what}",
        lambda: _job_s(here, ROWS, keeps=keeps),
        "two processes, pyarrow + onnxruntime",
        lambda: here.scripts_s(ROWS, keeps=keeps),
        reach=0.85,
    )


def rows_in_turn(
    key: str,
    what: str,
    ours: Callable[[], float],
    beside: str,
    theirs: Callable[[], float],
    *,
    reach: float,
    rows: int = ROWS,
) -> Figure:
    """Rounds in turn, each side telling its seconds for so many rows."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    ratios = tuple(round(peer / mine, 3) for mine, peer in pairs)
    return Figure(
        key,
        what,
        rows / statistics.median(mine for mine, _ in pairs),
        rows / statistics.median(peer for _, peer in pairs),
        "rows/s",
        beside,
        statistics.median(ratios),
        reach,
        per_round=ratios,
    )


def _job_s(here: Ground, rows: int, *, keeps: bool) -> float:
    """From the question to the end of the job, as the caller sees it."""
    began_s = time.perf_counter()
    here.job(rows, keeps=keeps)
    return time.perf_counter() - began_s


def _require_equal(here: Ground, *, keeps: bool) -> None:
    """Both sides write the same columns with the same values, and those of scikit-learn."""
    ours = here.first_results(here.job(ROWS, keeps=keeps))
    here.scripts_s(ROWS, keeps=keeps)
    theirs = pq.ParquetFile(here.half(0)).read_row_group(0)
    assert ours.num_rows == theirs.num_rows
    assert ours.schema.remove_metadata() == theirs.schema.remove_metadata()
    assert ours.equals(theirs), "the two sides have not written the same"
    asked = pq.ParquetFile(here.source(ROWS)).read_row_group(0).slice(0, CHECKED_ROWS)
    expected = here.model.model.predict(asked.to_pandas())
    np.testing.assert_array_equal(_texts(ours.slice(0, CHECKED_ROWS)), expected)


def _texts(table: pa.Table) -> list[str]:
    found: list[str] = table.column("prediction").to_pylist()
    return found
