"""Plain: the rows of one chunk into a table, once: in one transaction with the chunk's identity.

``modelyard_chunks``, a table beside the target, has a row for each chunk that was written: job,
first row, attempt, digest. A chunk that is there with the same digest is not written again. A
chunk that is written anew first removes the rows of its range. An attempt that is older than what
stands there is fenced off; and so is one at rows that have been cut into smaller chunks since,
whose attempts are counted anew. The target has a unique key on job and row, which holds when two
attempts write at the same time: the later one waits, fails, and is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyarrow as pa

from registry.errors import SinkAway, SinkRefused
from registry.sql import tables
from registry.sql.faults import is_of_driver, is_passing, said, sink_away, state_of
from registry.sql.place import Place
from registry.sql.sessions import quoted, writing
from registry.sql.tables import CHUNKS, JOB, ROW

# A unique key that two attempts hit, a deadlock: the other one was quicker.
_QUICKER = ("23505", "40")


class SinkFenced(Exception):
    """A later attempt at these rows has written already."""


@dataclass(frozen=True, slots=True)
class ChunkIdentity:
    """Which rows of which job they are. ``attempt`` fences; ``sha256`` tells results apart."""

    job: UUID
    row_start: int
    row_stop: int
    attempt: int
    sha256: str


def write_chunk(
    place: Place,
    table: str,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema | None,
    identity: ChunkIdentity,
    *,
    reach: Callable[[str], None] = lambda step: None,
) -> bool:
    """Write the rows of a chunk; False when they stand there already.

    ``schema`` has the columns of the results and, last, ``modelyard_row``: the row's number in the
    dataset; it is None where no row has a result. The table is made where there is none. ``reach``
    is told ``sink.written`` before the commit. Raises SinkFenced, SinkRefused naming the column
    where there is one, and SinkAway.
    """
    target = tables.parse_name(place.driver, table)
    whole = None if schema is None else tables.checked_schema(schema)
    faults: list[Exception] = []
    try:
        with writing(place) as (session, cursor):
            if whole is None:
                both = (target, target.beside(CHUNKS))
                if any(tables.columns_of(cursor, place.driver, name) is None for name in both):
                    return False
            else:
                _prepare(session, cursor, place.driver, target, whole)
            if not _begin(cursor, target, identity):
                session.rollback()
                return False
            if whole is not None:
                rows = _kept(_rows(place.driver, batches, whole, identity), faults)
                written = tables.written_schema(place.driver, whole)
                cursor.adbc_ingest(
                    target.table,
                    pa.RecordBatchReader.from_batches(written, rows),
                    mode="append",
                    db_schema_name=target.schema,
                )
            reach("sink.written")
            session.commit()
    except Exception as fault:
        if faults:  # the driver knows only that its rows broke off
            raise faults[0] from None
        if not is_of_driver(fault):
            raise
        raise _error(place, fault) from None
    return True


def _prepare(session: Any, cursor: Any, driver: str, target: tables.Name, whole: pa.Schema) -> None:
    """See that both tables are there; PostgreSQL's lock on their making ends with a commit."""
    known = tables.columns_of(cursor, driver, target)
    if known is None:
        tables.create(cursor, driver, target, whole)
    else:
        tables.check(cursor, driver, target, whole, known)
    tables.create_chunks(cursor, driver, target)
    if driver == "postgresql":
        session.commit()


def _begin(cursor: Any, target: tables.Name, identity: ChunkIdentity) -> bool:
    """Note the chunk, take away what stands in its range; False when it is written already."""
    job = str(identity.job)
    chunks = target.beside(CHUNKS).sql
    overlapping = "job = $1 AND row_start < $2 AND row_stop > $3"
    # An update first: SQLite then takes its lock at once, and PostgreSQL those of the rows.
    tables.run(
        cursor,
        f"UPDATE {chunks} SET attempt = attempt WHERE {overlapping}",
        (job, identity.row_stop, identity.row_start),
    )
    cursor.execute(
        f"SELECT row_start, row_stop, attempt, sha256 FROM {chunks} WHERE {overlapping}",
        (job, identity.row_stop, identity.row_start),
    )
    for start, stop, attempt, sha256 in cursor.fetchall():
        mine = (start, stop) == (identity.row_start, identity.row_stop)
        if mine and sha256 == identity.sha256:
            return False
        is_piece = not mine and identity.row_start <= start and stop <= identity.row_stop
        if is_piece or (mine and attempt > identity.attempt):
            raise SinkFenced(f"attempt {attempt} has written rows {start} to {stop - 1}")
    tables.run(
        cursor,
        f"DELETE FROM {chunks} WHERE job = $1 AND row_start = $2",
        (job, identity.row_start),
    )
    tables.run(
        cursor,
        f"INSERT INTO {chunks} (job, row_start, row_stop, attempt, sha256) "
        "VALUES ($1, $2, $3, $4, $5)",
        (job, identity.row_start, identity.row_stop, identity.attempt, identity.sha256),
    )
    tables.run(
        cursor,
        f"DELETE FROM {target.sql} WHERE {quoted(JOB)} = $1 AND {quoted(ROW)} >= $2 "
        f"AND {quoted(ROW)} < $3",
        (job, identity.row_start, identity.row_stop),
    )
    return True


def _rows(
    driver: str, batches: Iterable[pa.RecordBatch], whole: pa.Schema, identity: ChunkIdentity
) -> Iterator[pa.RecordBatch]:
    """The results as the driver takes them, with the job in each row."""
    written = tables.written_schema(driver, whole)
    for batch in batches:
        job = pa.array([str(identity.job)] * batch.num_rows, pa.string())
        yield tables.as_written(driver, [*batch.columns, job], whole, written)


def _kept(batches: Iterator[pa.RecordBatch], faults: list[Exception]) -> Iterator[pa.RecordBatch]:
    """The same; what is raised while the driver reads them is kept, for it says another thing."""
    try:
        yield from batches
    except Exception as fault:
        faults.append(fault)
        raise


def _error(place: Place, fault: Exception) -> SinkAway | SinkRefused:
    text = said(place, fault)
    state = state_of(fault) or ""
    if state.startswith(_QUICKER) or "UNIQUE constraint" in text:
        return sink_away(place, fault)
    # A stream that breaks off within COPY has a connection's state, and is about a column's type.
    if state != "08P01" and is_passing(fault, text):
        return sink_away(place, fault)
    return SinkRefused(f"The sink refused the rows: {text}.")
