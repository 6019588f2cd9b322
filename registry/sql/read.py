"""Plain: the rows of a query as typed Arrow batches: exact, or refused with the column and row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa

from registry.signature.types import Column
from registry.sql.place import Place
from registry.sql.postgresql_query import PostgresqlQuery
from registry.sql.query import bare, wrapped
from registry.sql.sessions import reading
from registry.sql.sqlite_query import SqliteQuery
from registry.sql.sqlite_reading import require_query
from registry.tabular.readers import Reader

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
    with reading(place, deadline_s=deadline_s) as cursor:
        if place.driver == "sqlite":
            require_query(place, cursor, wrapped(text))
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
