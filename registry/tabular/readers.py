"""Plain: one reader per format, all with the same five questions.

``names``: the columns of the file. ``find``: their types, from every row. ``guess``: types from
the first rows, None where that saves nothing. ``inferred(columns)``: batches by found or guessed
types, raising Widened where a guess fails. ``declared(columns)``: batches strictly by declared
types, raising TabularError with all refused cells at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from registry.signature.types import Column
from registry.tabular import csv_declared, csv_read
from registry.tabular.arrow_types import column_of, undecimal
from registry.tabular.collect import Problems, bad_rows, typed_values
from registry.tabular.csv_exact import CsvFile
from registry.tabular.errors import TabularError
from registry.tabular.json_rows import RowBatch, document_rows, jsonl_rows
from registry.tabular.json_types import JsonTypeFinder
from registry.tabular.source import CappedStream

BATCH_ROWS = 1 << 16
# Arrow in memory may be larger than the file, but a small file is not to grow without end.
GROWTH_MAX = 200
GROWTH_FREE_BYTES = 256 << 20


class Reader(Protocol):
    """What every format answers; each method reads the file from its beginning."""

    def names(self) -> tuple[str, ...]:
        """The columns of the file, in its order."""
        ...

    def find(self) -> tuple[Column, ...]:
        """Their types from every row; ``nullable`` where a row has null."""
        ...

    def guess(self) -> tuple[Column, ...] | None:
        """Types from the first rows, None where finding them all costs no more."""
        ...

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found or guessed types; raises Widened where a guess fails."""
        ...

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; a column that is not in the file is null all over."""
        ...


class CsvReader:
    """CSV, and CSV in gzip."""

    def __init__(self, file: BinaryIO, *, max_bytes: int, is_gzip: bool = False) -> None:
        self._source = CsvFile(file, is_gzip=is_gzip, max_bytes=max_bytes)

    def names(self) -> tuple[str, ...]:
        """The columns of the file, in its order."""
        return csv_read.read_header(self._source)

    def find(self) -> tuple[Column, ...]:
        """The columns with their types, from every row."""
        return csv_read.find_columns(self._source, self.names())

    def guess(self) -> tuple[Column, ...] | None:
        """Types from the first rows, or None."""
        return csv_read.first_columns(self._source, self.names())

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return csv_read.inferred_batches(self._source, columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        return csv_declared.declared_batches(self._source, columns)


class JsonReader:
    """JSON Lines, and JSON documents."""

    def __init__(self, file: BinaryIO, *, max_bytes: int, is_document: bool = False) -> None:
        self._file, self._max_bytes, self._is_document = file, max_bytes, is_document

    def _rows(self) -> Iterator[RowBatch]:
        read = document_rows if self._is_document else jsonl_rows
        return read(self._file, max_bytes=self._max_bytes)

    def names(self) -> tuple[str, ...]:
        """The columns of the file, in its order."""
        names: dict[str, None] = {}
        for batch in self._rows():
            for row in batch.rows:
                if row.keys() != names.keys():
                    names.update(dict.fromkeys(row))
                    csv_read.check_width(len(names))
        csv_read.check_names(list(names))
        return tuple(names)

    def find(self) -> tuple[Column, ...]:
        """The columns with their types, from every row."""
        finders = [JsonTypeFinder(name) for name in self.names()]
        for batch in self._rows():
            for finder in finders:
                finder.add(batch)
        return tuple(Column(f.name, f.found(), f.has_nulls) for f in finders)

    def guess(self) -> tuple[Column, ...] | None:
        """Types from the first rows, or None."""
        return None

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self.declared(columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        schema = schema_of(columns)
        problems = Problems()
        for batch in self._rows():
            arrays = [
                typed_values(
                    [row.get(column.name) for row in batch.rows],
                    column,
                    place,
                    problems,
                    first=batch.first,
                    lines=batch.lines,
                )
                for place, column in enumerate(columns)
            ]
            if not problems.count:
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        if problems.count:
            raise bad_rows(problems)


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

    def guess(self) -> tuple[Column, ...] | None:
        """Types from the first rows, or None."""
        return self.find()

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
        csv_read.check_names(schema.names)
        csv_read.check_width(len(schema.names))
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


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of typed batches; every field may be null here."""
    return pa.schema([(column.name, column.arrow) for column in columns])
