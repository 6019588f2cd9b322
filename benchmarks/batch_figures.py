"""B1 to B5: millions of rows through the whole ledger and beside scripts, and what grows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.batch_ground import ROWS, Ground, Peaks, ground, took_s
from benchmarks.figures import Figure, value

ROUNDS = 3
MIB = 1 << 20
CHECKED_ROWS = 20_000
CSV_SHARE = 5  # a million of five
SMALLER = 10


def batch() -> Iterator[Figure]:
    """B1 to B3, B5 and the growth with rows of B4."""
    with ground() as here:
        yield _beside_scripts(here, "predictions alone", keeps=False)
        yield _beside_scripts(here, "all columns kept", keeps=True)
        with Peaks(here.service) as held:
            here.job(ROWS, keeps=True)
        yield value("B3", f"largest worker, {ROWS:,} rows", held.largest / MIB, "MiB", reach=600)
        yield from _beside_pandas(here)
        yield _growth_with_rows(here)
        yield _csv_upload(here)


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
    rounds: int = ROUNDS,
) -> Figure:
    """Rounds in turn, each side telling its seconds for so many rows."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
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


def _beside_pandas(here: Ground) -> Iterator[Figure]:
    """B2: speed in rounds, and the most memory that either side has held in them."""
    peaks: list[int] = []

    def pandas_s() -> float:
        took_s, peak_bytes = here.pandas(ROWS)
        peaks.append(peak_bytes)
        return took_s

    with Peaks(here.service) as ours:
        yield rows_in_turn(
            "B2",
            f"batch, {ROWS:,} rows",
            lambda: _job_s(here, ROWS, keeps=False),
            "one process, pandas + joblib",
            pandas_s,
            reach=4.5,
            rounds=2,  # a round of theirs takes minutes
        )
    yield Figure(
        "B2",
        f"memory of all workers, {ROWS:,} rows",
        ours.together / MIB,
        max(peaks) / MIB,
        "MiB",
        "one process, pandas + joblib",
        round(ours.together / max(peaks), 3),
        0.1,
        at_most=True,
    )


def _growth_with_rows(here: Ground) -> Figure:
    """B4: the time for a row with 10 and 100 times the rows, beside a tenth of these."""
    sizes = (ROWS // SMALLER**2, ROWS // SMALLER, ROWS)
    per_row_us = []
    for rows in sizes:
        runs = 1 if rows == ROWS else ROUNDS  # a short one varies more
        median_s = statistics.median(_job_s(here, rows, keeps=False) for _ in range(runs))
        per_row_us.append(median_s / rows * 1e6)
    grown = [round(later / first, 3) for first, later in pairwise(per_row_us)]
    return Figure(
        "B4",
        f"time for a row, {sizes[0]:,} to {ROWS:,} rows",
        per_row_us[-1],
        per_row_us[0],
        "us",
        f"{sizes[0]:,} rows",
        max(grown),
        1.1,
        at_most=True,
        per_round=tuple(grown),
    )


def _csv_upload(here: Ground) -> Figure:
    """B5: from the first byte sent to a typed dataset, beside pyarrow's reader alone."""
    rows = ROWS // CSV_SHARE
    table = pq.read_table(here.source(ROWS // SMALLER))
    table = pa.concat_tables([table] * -(-rows // table.num_rows)).slice(0, rows)
    names = iter(range(ROUNDS + 1))

    def upload_s() -> float:
        at = next(names)
        path = here.folder / f"rows-{at}.csv"
        pyarrow.csv.write_csv(table.slice(at), path)  # other bytes each time
        began_s = time.perf_counter()
        version = here.send(path, f"csv-{at}")
        took_s = time.perf_counter() - began_s
        assert version["rows"] == rows - at
        return took_s

    def read_s() -> float:
        began_s = time.perf_counter()
        assert pyarrow.csv.read_csv(here.folder / "rows-0.csv").num_rows == rows
        return time.perf_counter() - began_s

    upload_s()
    return rows_in_turn(
        "B5",
        f"CSV upload to typed dataset, {rows:,} rows",
        upload_s,
        "pyarrow's CSV reader",
        read_s,
        reach=0.7,
        rows=rows,
    )


def _job_s(here: Ground, rows: int, *, keeps: bool) -> float:
    """From the acceptance of a job to its end."""
    return took_s(here.job(rows, keeps=keeps))


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
