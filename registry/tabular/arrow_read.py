"""Plain: Parquet files and Arrow IPC streams: typed already, so they are read once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from registry.signature.types import Column
from registry.tabular.arrow_types import column_of, schema_of, undecimal
from registry.tabular.collect import Problems, bad_rows, typed_values
from registry.tabular.csv_read import check_names, check_width
from registry.tabular.errors import TabularError
from registry.tabular.readers import Guess
from registry.tabular.source import CappedStream

BATCH_ROWS = 1 << 16
# Arrow in memory may be larger than the file, but a small file is not to grow without end.
GROWTH_MAX = 200
GROWTH_FREE_BYTES = 256 << 20


class ArrowReader:
    """Parquet, and Arrow IPC streams: typed already, so one pass is enough."""

    def __init__(self, file: BinaryIO, *, max_bytes: int, is_parquet: bool) -> None:
        self._file, self._max_bytes, self._is_parquet = file, max_bytes, is_parquet

    @cached_property
    def _size(self) -> int:
        size = self._file.seek(0, os.SEEK_END)
        if size > self._max_bytes:
            found = f"The data is over the limit of {self._max_bytes} bytes"
            raise TabularError("too-large", found, limit_bytes=self._max_bytes)
        if not size:
            raise TabularError("empty-file", "The file is empty", line=None, column=None)
        return size

    def names(self) -> tuple[str, ...]:
        """The columns of the file, in its order."""
        return tuple(self._schema().names)

    def find(self) -> tuple[Column, ...]:
        """The columns with their types, from every row."""
        return tuple(column_of(field) for field in self._schema())

    def guess(self) -> Guess | None:
        """None: the types stand in the file."""
        return None

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self.declared(columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        schema, problems, first = schema_of(columns), Problems(), 0
        for batch in self._batches():
            arrays = [
                self._typed(batch, column, place, problems, first)
                for place, column in enumerate(columns)
            ]
            first += batch.num_rows
            if not problems.count:
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        if problems.count:
            raise bad_rows(problems)

    def _typed(
        self, batch: pa.RecordBatch, column: Column, place: int, problems: Problems, first: int
    ) -> pa.Array:
        if column.name not in batch.schema.names:
            return pa.nulls(batch.num_rows, column.arrow)
        array = _undecimal_or_same(batch.column(column.name))
        return typed_values(array, column, place, problems, first=first)

    def _schema(self) -> pa.Schema:
        self._rewind()
        try:
            schema = self._parquet().schema_arrow if self._is_parquet else self._stream().schema
        except (pa.ArrowException, OSError, MemoryError) as fault:
            raise self._malformed(fault) from None
        check_names(schema.names)
        check_width(len(schema.names))
        return schema

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self._schema()
        self._rewind()
        allowed = max(GROWTH_FREE_BYTES, GROWTH_MAX * self._size)
        try:
            for batch in self._opened():
                batch.validate(full=True)
                allowed -= batch.nbytes
                if allowed < 0:
                    found = f"{self._size} bytes of file grow to more than {GROWTH_MAX} times"
                    raise TabularError("gzip-bomb", found, limit_ratio=GROWTH_MAX)
                yield batch
        except (pa.ArrowException, OSError, MemoryError) as fault:
            raise self._malformed(fault) from None

    def _opened(self) -> Iterator[pa.RecordBatch]:
        if self._is_parquet:
            batches: Iterator[pa.RecordBatch] = self._parquet().iter_batches(BATCH_ROWS)
            return batches
        return iter(self._stream())

    def _parquet(self) -> pq.ParquetFile:
        # Buffered page by page: a row group may be larger than the memory.
        return pq.ParquetFile(self._file, buffer_size=1 << 20, pre_buffer=False)

    def _stream(self) -> pa.RecordBatchStreamReader:
        capped = CappedStream(self._file, max_bytes=self._max_bytes)
        return pa.ipc.open_stream(pa.PythonFile(capped, mode="r"))

    def _rewind(self) -> None:
        assert self._size
        self._file.seek(0)

    def _malformed(self, fault: BaseException) -> TabularError:
        what = "Parquet file" if self._is_parquet else "Arrow stream"
        near = str(fault).split("\n")[0][:160]
        return TabularError("malformed-file", f"The {what} cannot be read: {near}")


def _undecimal_or_same(array: pa.Array) -> pa.Array:
    try:
        return undecimal(array)
    except pa.ArrowInvalid:
        return array
