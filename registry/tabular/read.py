"""Plain: a file of any tabular format as typed Arrow batches, a table, or just its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from registry.signature.types import Column
from registry.tabular.arrow_read import BATCH_ROWS
from registry.tabular.arrow_types import schema_of
from registry.tabular.csv_read import match_columns
from registry.tabular.formats import reader_of

MAX_BYTES = 20 << 30


def read_batches(
    file: BinaryIO,
    format: str,
    *,
    columns: Sequence[Column] | None = None,
    max_bytes: int = MAX_BYTES,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Typed batches of at most ``batch_rows`` rows; memory does not grow with the file.

    With ``columns`` their types are strict, their order is that of the batches, and the file has
    no other column; null is taken everywhere, since ``nullable``, ``enum`` and range are judged by
    the validator. Without, types are found from all rows first. ``file`` must be seekable; it may
    be read twice. Raises TabularError, where cells do not fit after the last good batch.
    """
    reader = reader_of(file, format, max_bytes=max_bytes)
    if columns is None:
        batches = reader.inferred(reader.find())
    else:
        match_columns(reader.names(), columns)
        batches = reader.declared(columns)
    for batch in batches:
        for start in range(0, batch.num_rows, batch_rows):
            yield batch.slice(start, batch_rows)


def infer_columns(file: BinaryIO, format: str, *, max_bytes: int = MAX_BYTES) -> tuple[Column, ...]:
    """Names and types from all rows; ``nullable`` where a row has null (always for Parquet)."""
    return reader_of(file, format, max_bytes=max_bytes).find()


def read_table(
    file: BinaryIO,
    format: str,
    *,
    columns: Sequence[Column] | None = None,
    max_bytes: int = MAX_BYTES,
) -> pa.Table:
    """A small file whole, in the order of its columns.

    ``columns`` give the types of those that are in the file; others are inferred and kept, so that
    the caller can name them. A declared column that is not there is left out.
    """
    reader = reader_of(file, format, max_bytes=max_bytes)
    found = reader.find()
    declared = {column.name: column for column in columns or ()}
    wanted = [declared.get(column.name, column) for column in found]
    batches = reader.declared(wanted) if declared else reader.inferred(found)
    return pa.Table.from_batches(batches, schema_of(wanted))
