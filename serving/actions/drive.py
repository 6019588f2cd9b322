"""Claim, score, commit, again: what a worker does for batch jobs.

How an attempt at a chunk can end, and what follows:

    committed                        done; the last one finishes the job
    fence lost, job cancelled        own files are removed
    no space                         given back, the job says storage-full, tried again
    storage away                     given back, the job says storage-unavailable, tried again
    model host away, suspended       given back, the job says model-unavailable, tried again
    sink away                        given back, the job says sink-unavailable, tried again
    sink refuses the rows            chunk and job failed at once, naming the column
    too slow                         split into smaller chunks
    bad row, on_row_error "fail"     later chunks are failed too, the job when earlier ones are done
    the model fails, other errors    a failure: backoff; at the third the rows are bisected where
                                     the model fails on them, else chunk and job are failed
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)

from registry import storage
from registry.errors import SinkAway, SinkRefused
from registry.heartbeat import Heartbeat, LeaseLost
from serving.actions.attempt_meter import AttemptMeter
from serving.actions.chunk_ends import give_back
from serving.actions.chunks import ChunkWork, RowRefused
from serving.actions.claims import claim_next, reap_expired
from serving.actions.commits import (
    ChunkResult,
    ColumnsChanged,
    commit_chunk,
    is_committed,
    unnamed,
)
from serving.actions.deliveries import deliver
from serving.actions.model_calls import Narrowed, TooSlow
from serving.actions.settling import let_go, narrow, refuse_row, settle_error, split
from serving.batch import failpoints
from serving.batch import pace as pacing
from serving.batch.pace import Pace
from serving.batch.stop_sign import Grace, Stopped
from serving.models import BatchChunk
from serving.models.chunk_attempt import AttemptOutcome

log = logging.getLogger(__name__)


def _never() -> bool:
    return False


def drive(
    *,
    owner: str,
    pace: Pace | None = None,
    budget_s: float | None = None,
    is_stopping: Callable[[], bool] = _never,
) -> int:
    """Work on chunks until the time budget is used or nothing can be claimed; how many it were.

    ``owner`` names this process in leases. ``pace`` None is that of the house, ``budget_s`` None
    the pace's own. It ends too where the storage is away or full: the next ring tries again; and
    soon after ``is_stopping`` says so, giving back what cannot be finished in some seconds.
    """
    pace = pace or pacing.PACE
    ends_at = time.monotonic() + (pace.budget_s if budget_s is None else budget_s)
    reap_expired(pace=pace)
    worked = 0
    while not is_stopping():
        _renew_connection()
        chunk = claim_next(owner=owner, pace=pace)
        if chunk is None:
            return worked
        goes_on = work_on(chunk, pace=pace, is_stopping=is_stopping)
        worked += 1
        if not goes_on or time.monotonic() >= ends_at:
            return worked
    return worked


def _renew_connection() -> None:
    """Drop a connection that the database has ended; never inside somebody's transaction."""
    if not connection.in_atomic_block:
        close_old_connections()


def work_on(
    chunk: BatchChunk, *, pace: Pace | None = None, is_stopping: Callable[[], bool] = _never
) -> bool:
    """One attempt at a leased chunk, with one of the ends that the module's docstring lists.

    False when the next chunk would fare no better.
    """
    pace = pace or pacing.PACE
    meter = AttemptMeter()
    chunk.facts = meter.facts
    try:
        with _heartbeat(chunk, pace, meter) as heartbeat:
            work = ChunkWork(chunk, heartbeat, pace, meter)
            _attempt(work, Grace(is_stopping, pace.grace_s))
    except LeaseLost:
        let_go(chunk)
    except TooSlow:
        split(chunk)
    except Narrowed as found:
        narrow(chunk, found)
    except RowRefused as refused:
        refuse_row(chunk, refused.problem)
    except (DataError, IntegrityError) as error:
        settle_error(chunk, error, pace)  # it is about what was written, and comes again
    except (DatabaseError, InterfaceError):
        # Nothing can be written now; the lease runs out, and somebody takes the chunk again.
        log.exception("The database failed under %s", chunk)
        raise
    except Stopped:
        _give_back_at_once(chunk)
    except (KeyboardInterrupt, SystemExit):
        _give_back_at_once(chunk)
        raise
    except Exception as error:
        return settle_error(chunk, error, pace)
    return True


def _give_back_at_once(chunk: BatchChunk) -> None:
    give_back(chunk, AttemptOutcome.RELEASED, reason="The worker was stopped.", wait_s=0)


def _attempt(work: ChunkWork, grace: Grace) -> None:
    """Score, publish, deliver, commit; a result that comes too late takes its files away again."""
    chunk = work.chunk
    with work:
        result = _score_chunk(work, grace)
        try:
            with work.meter.phase("sink"):
                deliver(work.job, chunk, result)
            is_ours = _commit(chunk, result)
        except (ColumnsChanged, LeaseLost, SinkAway, SinkRefused):
            _remove(chunk, result)
            raise
        # Any other error leaves the files: whether it was committed is not known then.
        if not is_ours:
            _remove(chunk, result)
            raise LeaseLost(str(chunk))
    failpoints.reach("commit.after")


def _commit(chunk: BatchChunk, result: ChunkResult) -> bool:
    """Commit; once more on a new connection when the database has ended the old one.

    The first may have been carried out without our hearing of it, or be carried out while we look:
    then it is ours already, and its files are the chunk's. False when the fence was lost.
    """
    try:
        return commit_chunk(chunk, result)
    except (InterfaceError, OperationalError) as error:
        if connection.in_atomic_block:
            raise
        log.warning("The commit of %s is tried again: %s", chunk, error)
        with suppress(Error):
            connection.close()
        if is_committed(chunk, result) or commit_chunk(chunk, result):
            return True
        # Our second try has waited for the first one's locks; now it is known how that ended.
        return is_committed(chunk, result)


def _heartbeat(chunk: BatchChunk, pace: Pace, meter: AttemptMeter) -> Heartbeat:
    def extend() -> bool:
        return BatchChunk.objects.extend(chunk, lease_s=pace.lease_s, rows_scored=meter.rows)

    return Heartbeat(extend, every_s=pace.heartbeat_s, name=str(chunk))


def _remove(chunk: BatchChunk, result: ChunkResult) -> None:
    for name in unnamed(chunk, result):
        storage.remove(name)


def _score_chunk(work: ChunkWork, grace: Grace) -> ChunkResult:
    """All rows of the chunk through ``scoring.score``, published under their final names."""
    for table in work.tables():
        grace.check()
        work.score(table)
    failpoints.reach("score.all")
    return work.publish()
