"""What is measured, by the names of its parts."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks import (
    batch_figures,
    growth_figures,
    model_files,
    scoring_figures,
    standing_figures,
)
from benchmarks.figures import Figure
from benchmarks.measure import Ratio, in_turn
from benchmarks.service import Service, started

SEED = 11
CSV_ROWS = 200_000


def csv_to_dataset() -> Iterator[Ratio]:
    """A CSV file to its typed Parquet form, beside pyarrow reading and writing the same."""
    from registry.tabular import to_parquet

    with tempfile.TemporaryDirectory() as folder:
        source, ours, peer = (Path(folder) / name for name in ("in.csv", "o.parquet", "p.parquet"))
        pyarrow.csv.write_csv(_numbers_and_texts(CSV_ROWS), source)

        def read_here() -> None:
            with source.open("rb") as file:
                assert to_parquet(file, "csv", ours).rows == CSV_ROWS

        def read_there() -> None:
            pyarrow.parquet.write_table(pyarrow.csv.read_csv(source), peer)

        yield in_turn(
            f"CSV to dataset, {CSV_ROWS:,} rows, with profile",
            read_here,
            "pyarrow: read CSV, write Parquet",
            read_there,
            calls=1,
        )


def scoring() -> Iterator[Ratio]:
    """The demo's penguins over HTTP, beside the same pipeline called in this process."""
    from serving.demo.training import fitted

    pipeline, frame = fitted("penguins")
    with started() as service:
        yield from (_rows(service, pipeline, frame, rows, calls) for rows, calls in _SIZES)


_SIZES = ((1, 100), (1_000, 10))


def _rows(service: Service, pipeline: object, frame: object, rows: int, calls: int) -> Ratio:
    many = frame.sample(rows, replace=True, random_state=SEED)  # type: ignore[attr-defined]
    table = pa.Table.from_pandas(many, preserve_index=False)
    body = _stream(table)

    def local() -> list[object]:
        return [pipeline.predict(many), pipeline.predict_proba(many)]  # type: ignore[attr-defined]

    answered = service.score("penguins", body)
    np.testing.assert_array_equal(answered["prediction"].to_pylist(), local()[0])
    return in_turn(
        f"score {rows:,} rows over HTTP, Arrow, one caller",
        lambda: service.score("penguins", body),
        "scikit-learn in this process",
        local,
        calls=calls,
    )


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _numbers_and_texts(rows: int) -> pa.Table:
    random = np.random.default_rng(SEED)
    columns = {f"n{i}": pa.array(random.normal(size=rows)) for i in range(8)}
    columns["city"] = pa.array(random.choice(["Rome", "Oslo", "Lima"], rows))
    columns["count"] = pa.array(random.integers(0, 1_000, rows))
    return pa.table(columns)


PARTS: dict[str, Callable[[], Iterator[Ratio | Figure]]] = {
    "one-row": scoring_figures.one_row,
    "many-rows": scoring_figures.many_rows,
    "originals": scoring_figures.originals,
    "dialects": scoring_figures.dialects,
    "sessions": scoring_figures.sessions,
    "memory": standing_figures.memory,
    "starting": standing_figures.starting,
    "neighbours": scoring_figures.neighbours,
    "csv": csv_to_dataset,
    "batch": batch_figures.batch,
    "growth": growth_figures.growth,
    "scoring": scoring,
    "gate": model_files.gate,
    "host": model_files.host,
}
