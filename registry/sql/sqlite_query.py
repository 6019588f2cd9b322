"""Plain: the five questions of a reader, asked of a query to a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from registry.signature.types import Column
from registry.sql import sqlite_cells
from registry.sql.faults import source_errors
from registry.sql.query import wrapped
from registry.sql.statements import Query, typed_batches
from registry.tabular.readers import Guess

BATCH_ROWS = 16_384
# Of texts: a batch of long ones has fewer rows.
BATCH_BYTES = 4 << 20


class SqliteQuery(Query):
    """A query to SQLite, where each cell has a type of its own: all of them are looked at first."""

    def names(self) -> tuple[str, ...]:
        """The columns of the query, in its order."""
        with source_errors(self._place):
            self._cursor.execute(f"{wrapped(self._query)} LIMIT 0")
        names = tuple(column[0] for column in self._cursor.description)
        self._check([sqlite_cells.name_as_written(name, names) for name in names])
        return names

    def find(self) -> tuple[Column, ...]:
        """The types, from every row. Raises TabularError for a column of mixed types."""
        kinds = self._kinds()
        return tuple(
            Column(name, self._types.get(name) or kind.key, nullable=True)
            for name, kind in kinds.items()
        )

    def guess(self) -> Guess | None:
        """None: the first rows' types say nothing about the others'."""
        return None

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self.declared(columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        return typed_batches(self._arrays(columns), columns)

    def _arrays(self, columns: Sequence[Column]) -> Iterator[list[pa.Array]]:
        kinds = self._kinds()
        first = 0
        for batch in self._capped(self._read(kinds)):
            arrays = []
            for column in columns:
                if column.name in kinds:
                    raw = batch.column(column.name)
                    arrays.append(sqlite_cells.plain_cells(raw, column, first))
                else:
                    arrays.append(pa.nulls(batch.num_rows, column.arrow))
            first += batch.num_rows
            yield arrays

    def _read(self, kinds: dict[str, sqlite_cells.Kind]) -> Iterator[pa.RecordBatch]:
        found = list(kinds.values())
        for rows in self._rows(sqlite_cells.statement(self._query, found), found):
            yield pa.RecordBatch.from_arrays(sqlite_cells.arrays_of(rows, found), list(kinds))

    def _rows(
        self, statement: str, kinds: Sequence[sqlite_cells.Kind]
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in batches, none of which holds many more bytes of text than BATCH_BYTES."""
        texts = [place for place, kind in enumerate(kinds) if kind.key == "string"]
        rows: list[tuple[Any, ...]] = []
        size = 0
        for row in self._answers(statement):
            rows.append(row)
            for place in texts:
                size += len(row[place] or b"")
            if size > BATCH_BYTES or len(rows) == BATCH_ROWS:
                yield rows
                rows, size = [], 0
        if rows:
            yield rows

    def _answers(self, statement: str) -> Iterator[tuple[Any, ...]]:
        with source_errors(self._place):
            yield from self._cursor.execute(statement)

    def _kinds(self) -> dict[str, sqlite_cells.Kind]:
        names = self.names()
        found: list[sqlite_cells.Kind] = []
        for statement in sqlite_cells.questions(self._query, len(names)):
            for answer in self._answers(statement):
                found += sqlite_cells.kinds_of(answer)
        kinds = dict(zip(names, found, strict=True))
        for place, (name, kind) in enumerate(kinds.items()):
            if kind.fault is not None:
                row = self._first_row(len(names), place, kind)
                raise sqlite_cells.refused_column(name, kind, row)
        return kinds

    def _first_row(self, width: int, place: int, kind: sqlite_cells.Kind) -> int | None:
        types = self._answers(sqlite_cells.types_of(self._query, width, place))
        rows = (row for row, (found,) in enumerate(types) if found.decode() in kind.odd)
        return next(rows, None)
