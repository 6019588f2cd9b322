"""Plain: the readers of text formats, and the five questions that every reader answers.

``names``: the columns of the file. ``find``: their types, from every row. ``guess``: types from
the first rows, and the batches so typed. ``inferred(columns)``: batches by found types.
``declared(columns)``: batches strictly by declared types, raising TabularError with all refused
cells at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

import pyarrow as pa

from registry.signature.types import Column
from registry.tabular import csv_declared, csv_read
from registry.tabular.arrow_types import schema_of
from registry.tabular.collect import Problems, bad_rows, typed_values
from registry.tabular.csv_exact import CsvFile
from registry.tabular.json_rows import RowBatch, document_rows, jsonl_rows
from registry.tabular.json_types import JsonTypeFinder

Guess = tuple[tuple[Column, ...], Iterator[pa.RecordBatch]]


class Reader(Protocol):
    """What every format answers; each method reads the file from its beginning."""

    def names(self) -> tuple[str, ...]:
        """The columns of the file, in its order."""
        ...

    def find(self) -> tuple[Column, ...]:
        """Their types from every row; ``nullable`` where a row has null."""
        ...

    def guess(self) -> Guess | None:
        """Types from the first rows, and all batches; None where a guess would save nothing.

        The batches raise Widened where a later row does not fit the guess.
        """
        ...

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
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

    def guess(self) -> Guess | None:
        """Types from the first batch, and all batches."""
        return csv_read.guessed_batches(self._source, self.names())

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

    def guess(self) -> Guess | None:
        """None: the columns themselves are known after the last row only."""
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
