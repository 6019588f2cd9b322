"""Plain: the five questions of a reader, asked of a query to a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from registry.signature.types import Column
from registry.sql import sqlite_cells
from registry.sql.faults import source_errors
from registry.sql.query import wrapped
from registry.sql.statements import Query, typed_batches
from registry.tabular.readers import Guess


class SqliteQuery(Query):
    """A query to SQLite, where each cell has a type of its own: all of them are looked at first."""

    def find(self) -> tuple[Column, ...]:
        """The types, from every row. Raises TabularError for a column of mixed types."""
        kinds = self._kinds()
        return tuple(
            Column(name, self._types.get(name) or kind.key, nullable=True)
            for name, kind in kinds.items()
        )

    def guess(self) -> Guess | None:
        """None: the driver would take the first rows' types for those of all."""
        return None

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self.declared(columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        return typed_batches(self._arrays(columns), columns)

    def _arrays(self, columns: Sequence[Column]) -> Iterator[list[pa.Array]]:
        kinds = self._kinds()
        places = {name: place for place, name in enumerate(kinds)}
        statement = sqlite_cells.statement(self._query, list(kinds.values()))
        first = -1  # the row of seeds
        for batch in self._batches(statement):
            if first < 0:
                batch, first = batch.slice(1), 0
            arrays = []
            for column in columns:
                place = places.get(column.name)
                if place is None:
                    arrays.append(pa.nulls(batch.num_rows, column.arrow))
                else:
                    arrays.append(sqlite_cells.plain_cells(batch.column(place), column, first))
            first += batch.num_rows
            yield arrays

    def _kinds(self) -> dict[str, sqlite_cells.Kind]:
        names = self._schema().names
        found: list[sqlite_cells.Kind] = []
        for statement in sqlite_cells.questions(self._query, len(names)):
            for batch in self._batches(statement):
                found += sqlite_cells.kinds_of(batch)
        kinds = dict(zip(names, found, strict=True))
        for place, (name, kind) in enumerate(kinds.items()):
            if kind.fault is not None:
                row = self._first_row(len(names), place, kind)
                raise sqlite_cells.refused_column(name, kind, row)
        return kinds

    def _first_row(self, width: int, place: int, kind: sqlite_cells.Kind) -> int | None:
        first = 0
        for batch in self._batches(sqlite_cells.types_of(self._query, width, place)):
            row = sqlite_cells.first_odd(batch.column(0), kind)
            if row is not None:
                return first + row
            first += batch.num_rows
        return None

    def _schema(self) -> pa.Schema:
        with source_errors(self._place):
            self._cursor.execute(f"{wrapped(self._query)} LIMIT 0")
            schema = self._cursor.fetch_record_batch().schema
        self._check([sqlite_cells.name_as_written(name, schema.names) for name in schema.names])
        return schema
