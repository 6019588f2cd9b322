"""Plain: any tabular file to its typed Parquet form: read once where the first rows tell the types.

The types come from all rows. They are guessed from the first ones, which is right for nearly every
file; where a later row does not fit its guess, the file is read again from the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from registry.signature.types import Column
from registry.tabular.ahead import ahead
from registry.tabular.arrow_types import schema_of
from registry.tabular.csv_read import Widened
from registry.tabular.formats import reader_of
from registry.tabular.hashing import HashingSink
from registry.tabular.profile import Profiler
from registry.tabular.read import MAX_BYTES
from registry.tabular.write import ROW_GROUP_ROWS, parquet_writer, regrouped


@dataclass(frozen=True)
class Ingested:
    """A typed Parquet file: rows, columns (nullable where there are nulls), profile, sha256."""

    rows: int
    columns: tuple[Column, ...]
    profile: list[dict[str, Any]]
    sha256: str
    size_bytes: int


def to_parquet(
    file: BinaryIO, format: str, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> Ingested:
    """Write the rows of ``file`` to ``path`` as Parquet, in row groups of 65,536 rows.

    The same rows give the same bytes. ``file`` must be seekable; ``path`` is overwritten, fsynced,
    and removed again when anything is raised. Raises TabularError for what is wrong with the file.
    """
    reader = reader_of(file, format, max_bytes=max_bytes)
    path = Path(path)
    try:
        guess = reader.guess()
        if guess is not None:
            try:
                return _write(guess[1], guess[0], path)
            except Widened:
                pass
        columns = reader.find()
        return _write(reader.inferred(columns), columns, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(batches: Iterator[pa.RecordBatch], columns: tuple[Column, ...], path: Path) -> Ingested:
    schema = schema_of(columns)
    profiler = Profiler(columns)
    rows = 0
    with HashingSink(path) as sink:
        with ahead(regrouped(batches, schema)) as tables, parquet_writer(sink, schema) as writer:
            for table in _profiled(tables, profiler):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                rows += table.num_rows
        sink.sync()
    profile = profiler.result()
    found = zip(columns, profile, strict=True)
    nullable = tuple(replace(column, nullable=bool(facts["nulls"])) for column, facts in found)
    return Ingested(rows, nullable, profile, sink.sha256(), sink.size_bytes)


def _profiled(tables: Iterable[pa.Table], profiler: Profiler) -> Iterator[pa.Table]:
    for table in tables:
        for batch in table.combine_chunks().to_batches():
            profiler.add(batch)
        yield table
