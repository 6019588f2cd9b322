"""Plain: the rows of a query as typed Arrow batches: exact, or refused with the column and row."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from registry.signature.dtypes import DTYPES
from registry.signature.types import Column
from registry.sql import postgresql_cells, sqlite_cells
from registry.sql.faults import refused, source_errors
from registry.sql.place import Place
from registry.sql.query import bare, check_sqlite, wrapped
from registry.sql.sessions import reading
from registry.tabular.arrow_types import schema_of
from registry.tabular.collect import Problems, bad_rows, typed_values
from registry.tabular.csv_read import Widened, check_names, check_width
from registry.tabular.errors import TabularError
from registry.tabular.readers import Guess, Reader

BATCH_ROWS = 1 << 16
DEADLINE_S = 6 * 3600.0
MAX_BYTES = 20 << 30


@contextmanager
def reader_of_query(
    place: Place,
    query: str,
    *,
    types: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
    max_bytes: int = MAX_BYTES,
) -> Iterator[Reader]:
    """The five questions of ``tabular.readers.Reader``, asked of a query.

    All answers within the block see one state of the database. ``types`` names the types of
    columns that the database cannot say, such as boolean or date in SQLite. Raises SourceRefused,
    SourceAway, and TabularError for columns and cells that are not kept.
    """
    text = bare(query)
    if place.driver == "sqlite":
        check_sqlite(place, text)
    with reading(place, deadline_s=deadline_s) as cursor:
        kind = PostgresqlQuery if place.driver == "postgresql" else SqliteQuery
        yield kind(place, cursor, text, dict(types or {}), deadline_s, max_bytes)


@contextmanager
def read_query(
    place: Place,
    query: str,
    *,
    types: Mapping[str, str] | None = None,
    batch_rows: int = BATCH_ROWS,
    deadline_s: float = DEADLINE_S,
) -> Iterator[tuple[tuple[Column, ...], Iterator[pa.RecordBatch]]]:
    """The columns and the rows of a query, in batches of at most ``batch_rows`` rows.

    Memory does not grow with the rows. Raises what ``reader_of_query`` raises, for refused cells
    after the last good batch.
    """
    with reader_of_query(place, query, types=types, deadline_s=deadline_s) as reader:
        columns = reader.find()
        yield columns, _sliced(reader.inferred(columns), batch_rows)


def _sliced(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


class _Query:
    """What both drivers have alike: one statement at a time on one cursor."""

    def __init__(
        self,
        place: Place,
        cursor: Any,
        query: str,
        types: Mapping[str, str],
        deadline_s: float,
        max_bytes: int,
    ) -> None:
        self._place, self._cursor, self._query = place, cursor, query
        self._types, self._max_bytes = types, max_bytes
        self._ends_at = time.monotonic() + deadline_s

    def names(self) -> tuple[str, ...]:
        """The columns of the query, in its order."""
        return tuple(self._schema().names)

    def declared(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Batches by declared types; a column that the query does not have is null all over."""
        raise NotImplementedError

    def _schema(self) -> pa.Schema:
        raise NotImplementedError

    def _check(self, names: Sequence[str]) -> None:
        check_width(len(names))
        check_names(names)
        unknown = sorted(set(self._types) - set(names))
        if unknown:
            found = f"`types` names the column `{unknown[0][:80]}`, and the query has none"
            raise TabularError("unknown-column", found, line=None, column=unknown[0])

    def _batches(self, statement: str) -> Iterator[pa.RecordBatch]:
        """The raw batches of a statement, as the driver gives them."""
        allowed = self._max_bytes
        with source_errors(self._place):
            self._cursor.execute(statement)
            stream = self._cursor.fetch_record_batch()
        while True:
            with source_errors(self._place):
                batch = next(stream, None)
            if batch is None:
                return
            if time.monotonic() > self._ends_at:
                raise refused("took-too-long", "The query did not end in its time.")
            allowed -= batch.nbytes
            if allowed < 0:
                found = f"The rows are over the limit of {self._max_bytes} bytes"
                raise TabularError("too-large", found, limit_bytes=self._max_bytes)
            yield batch


def _typed_batches(
    raw: Iterator[list[pa.Array]], columns: Sequence[Column]
) -> Generator[pa.RecordBatch, None, None]:
    """Arrays in the order of the columns to typed batches; all refused cells at the end."""
    schema, problems, first = schema_of(columns), Problems(), 0
    for arrays in raw:
        typed = [
            typed_values(array, column, place, problems, first=first)
            for place, (array, column) in enumerate(zip(arrays, columns, strict=True))
        ]
        first += len(arrays[0])
        if not problems.count:
            yield pa.RecordBatch.from_arrays(typed, schema=schema)
    if problems.count:
        raise bad_rows(problems)


class PostgresqlQuery(_Query):
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
        return _typed_batches(self._arrays(columns, batches, guessed), columns)

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


class SqliteQuery(_Query):
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
        return _typed_batches(self._arrays(columns), columns)

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


def known_type(key: object) -> bool:
    """Whether ``types`` may name it."""
    return isinstance(key, str) and key in DTYPES
