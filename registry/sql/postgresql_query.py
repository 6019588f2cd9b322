"""Plain: the five questions of a reader, asked of a query to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from registry.signature.types import Column
from registry.sql import postgresql_cells
from registry.sql.faults import source_errors
from registry.sql.query import wrapped
from registry.sql.statements import Query, typed_batches
from registry.tabular.csv_read import Widened
from registry.tabular.readers import Guess


class PostgresqlQuery(Query):
    """A query to PostgreSQL: its types are known before the first row, but for bare NUMERIC."""

    def find(self) -> tuple[Column, ...]:
        """The types; where a NUMERIC column does not say its own, every row of it is looked at."""
        fields = postgresql_cells.fields_of(self._schema())
        open_names = [f.name for f in fields if f.key is None and f.name not in self._types]
        whole = self._whole(open_names) if open_names else {}
        return tuple(
            Column(f.name, self._types.get(f.name) or f.key or whole[f.name], nullable=True)
            for f in fields
        )

    def guess(self) -> Guess | None:
        """Types by the first batch; a bare NUMERIC column may turn out to be wider later."""
        fields = postgresql_cells.fields_of(self._schema())
        batches = self._batches(wrapped(self._query))
        first = next(batches, None)
        columns = tuple(
            Column(f.name, self._types.get(f.name) or f.key or _key_of(first, place), nullable=True)
            for place, f in enumerate(fields)
        )
        guessed = frozenset(f.name for f in fields if f.key is None) - set(self._types)
        return columns, self._read(columns, _with_first(first, batches), guessed=guessed)

    def inferred(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by found types."""
        return self.declared(columns)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; raises TabularError at the end for cells that do not fit."""
        return self._read(columns, self._batches(wrapped(self._query)))

    def _read(
        self,
        columns: Sequence[Column],
        batches: Iterator[pa.RecordBatch],
        *,
        guessed: frozenset[str] = frozenset(),
    ) -> Iterator[pa.RecordBatch]:
        return typed_batches(self._arrays(columns, batches, guessed), columns)

    def _arrays(
        self,
        columns: Sequence[Column],
        batches: Iterator[pa.RecordBatch],
        guessed: frozenset[str],
    ) -> Iterator[list[pa.Array]]:
        first = 0
        for batch in batches:
            names = {name: place for place, name in enumerate(batch.schema.names)}
            arrays = []
            for column in columns:
                place = names.get(column.name)
                if place is None:
                    arrays.append(pa.nulls(batch.num_rows, column.arrow))
                    continue
                raw = batch.column(place)
                if column.name in guessed and _key_of(batch, place) != column.type == "int64":
                    raise Widened(column.name)
                arrays.append(postgresql_cells.plain_cells(raw, column, first))
            first += batch.num_rows
            yield arrays

    def names(self) -> tuple[str, ...]:
        """The columns of the query, in its order."""
        return tuple(self._schema().names)

    def _batches(self, statement: str) -> Iterator[pa.RecordBatch]:
        return self._capped(self._raw(statement))

    def _raw(self, statement: str) -> Iterator[pa.RecordBatch]:
        with source_errors(self._place):
            self._cursor.execute(statement)
            stream = self._cursor.fetch_record_batch()
        while True:
            with source_errors(self._place):
                batch = next(stream, None)
            if batch is None:
                return
            yield batch

    def _schema(self) -> pa.Schema:
        with source_errors(self._place):
            schema = self._cursor.adbc_execute_schema(wrapped(self._query))
        self._check(schema.names)
        return schema

    def _whole(self, names: Sequence[str]) -> dict[str, str]:
        whole = dict.fromkeys(names, "int64")
        for batch in self._batches(wrapped(self._query)):
            for place, name in enumerate(batch.schema.names):
                if whole.get(name) == "int64":
                    whole[name] = _key_of(batch, place)
        return whole


def _key_of(batch: pa.RecordBatch | None, place: int) -> str:
    return "int64" if batch is None else postgresql_cells.key_of_numerics(batch.column(place))


def _with_first(
    first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest
