"""Writes a chunk's results into the job's table, between publishing and committing them.

What is written is what was published: the file is read back, so that the table and the output
dataset say the same. The table has a transaction of its own, so a death between the two commits
leaves rows that the ledger does not know; the next attempt finds them by the chunk's identity, and
either leaves them or writes them anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry import storage
from registry.actions.connections import place
from registry.errors import InvalidField, SinkAway, SinkRefused, SourceRefused
from registry.heartbeat import LeaseLost
from registry.models import Connection
from registry.sql import ChunkIdentity, Place, SinkFenced, write_chunk
from registry.sql.tables import ROW
from serving.actions.commits import ChunkResult, Published
from serving.actions.reach import classification_now, require_reached
from serving.batch import failpoints
from serving.models import BatchChunk, BatchJob

BATCH_ROWS = 16_384
# Where PostgreSQL goes on from what is wrong to the row in which it is.
_QUOTING = re.compile(r"\s(?:DETAIL|CONTEXT):")
_ROW = pa.field(ROW, pa.int64(), nullable=False)


def deliver(job: BatchJob, chunk: BatchChunk, result: ChunkResult) -> None:
    """Write the chunk's good rows into the job's table, unless they stand there already.

    A job without a sink: nothing. Raises SinkAway, SinkRefused, StorageAway, and LeaseLost where a
    later attempt has written.
    """
    if job.sink_connection_id is None:
        return
    failpoints.reach("sink.before")
    with ExitStack() as stack:
        if result.results is None:
            schema, batches = None, iter(())
        else:
            file = stack.enter_context(storage.opened(result.results.name))
            parquet = pq.ParquetFile(file)
            schema = parquet.schema_arrow.remove_metadata().append(_ROW)
            batches = parquet.iter_batches(BATCH_ROWS)
        rows = _good_rows(chunk, result.rejects)
        where = _place_of(job)
        try:
            write_chunk(
                where,
                job.sink_table,
                _numbered(batches, rows),
                schema,
                _identity(chunk, result),
                reach=failpoints.reach,
            )
        except SinkFenced as fence:
            raise LeaseLost(str(fence)) from None
        except (SinkAway, SinkRefused) as error:
            raise _told(job, error) from None
    failpoints.reach("sink.committed")


def _told(job: BatchJob, error: SinkAway | SinkRefused) -> SinkAway | SinkRefused:
    """As it may be told: a database quotes the cells that it refuses, which may be hidden."""
    if not job.hides_cells:
        return error
    if isinstance(error, SinkAway):
        return SinkAway(_QUOTING.split(error.detail)[0], retry_after_s=error.retry_after_s)
    if error.column is not None:
        return error
    return SinkRefused("The sink refused the rows. What it said may repeat cells, and is hidden.")


def _place_of(job: BatchJob) -> Place:
    """Where the table is. Raises SinkRefused where the connection does not take the results now."""
    # Not the job's own: it was read when the worker first met the job.
    assert job.sink_connection_id is not None
    connection = Connection.objects.get(pk=job.sink_connection_id)
    if connection.disabled_at is not None or not connection.allows_writing:
        raise SinkRefused(f"The connection “{connection}” is not open for writing.")
    require_reached(connection, classification_now(job))
    try:
        return place(connection)
    except (InvalidField, SourceRefused) as error:
        raise SinkRefused(error.detail) from None


def _identity(chunk: BatchChunk, result: ChunkResult) -> ChunkIdentity:
    """Which rows they are. The results do not say which of the chunk's rows have none."""
    files = [file.written.sha256 for file in (result.results, result.rejects) if file]
    if result.results is None:
        digest = ""
    elif len(files) == 1:
        digest = files[0]
    else:
        digest = hashlib.sha256("".join(files).encode()).hexdigest()
    return ChunkIdentity(
        job=chunk.job_id,
        row_start=chunk.row_start,
        row_stop=chunk.row_stop,
        attempt=chunk.attempt,
        sha256=digest,
    )


def _good_rows(chunk: BatchChunk, rejects: Published | None) -> np.ndarray[tuple[int], np.dtype]:
    """The numbers of the rows that have a result, ascending."""
    is_good = np.ones(chunk.rows, dtype=bool)
    if rejects is not None:
        with storage.opened(rejects.name) as file:
            refused = pq.read_table(file, columns=["row"]).column("row").to_numpy()
        is_good[refused - chunk.row_start] = False
    return np.flatnonzero(is_good) + chunk.row_start


def _numbered(
    batches: Iterator[pa.RecordBatch], rows: np.ndarray[tuple[int], np.dtype]
) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in batches:
        numbers = pa.array(rows[first : first + batch.num_rows], pa.int64())
        first += batch.num_rows
        yield batch.append_column(ROW, numbers)
