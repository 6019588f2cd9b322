"""Claim, score, commit, again: what a worker does for batch jobs.

How an attempt at a chunk can end, and what follows:

    committed                        done; the last one finishes the job
    fence lost, job cancelled        own files are removed
    no space                         given back, the job says storage-full, tried again
    model host away, suspended       given back, the job says model-unavailable, tried again
    too slow                         split into smaller chunks
    bad row, on_row_error "fail"     chunk and job failed at once, naming the row
    the model fails, other errors    a failure: backoff; at the third the rows are bisected where
                                     the model fails on them, else chunk and job are failed
"""

from __future__ import annotations

import errno
import logging
import time
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

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
from registry.errors import DomainError, ModelFailed, RowProblem, StorageFull, Unavailable
from registry.heartbeat import Heartbeat, LeaseLost
from serving.actions.batch_jobs import error_json
from serving.actions.chunks import ChunkWork, Narrowed, RowRefused, TooSlow
from serving.actions.claims import claim_next, reap_expired
from serving.actions.commits import (
    ChunkResult,
    ColumnsChanged,
    commit_chunk,
    end_attempt,
    fail_held_chunk,
    give_back,
    is_committed,
    split_chunk,
)
from serving.batch import failpoints
from serving.batch.pace import MAX_FAILURES, PACE, Pace
from serving.batch.ranges import RowRange, split_range
from serving.models import BatchChunk, ChunkAttempt
from serving.models.batch_job import PausedReason
from serving.models.chunk_attempt import AttemptOutcome

log = logging.getLogger(__name__)

# A chunk that is too slow becomes so many.
PIECES = 8
# After so many searches for the rows on which the model fails, it fails on too many.
MAX_NARROWINGS = 100
SHORTEST_WAIT_S = 5.0


def drive(*, owner: str, pace: Pace = PACE, budget_s: float | None = None) -> int:
    """Work on chunks until the time budget is used or nothing can be claimed; how many it were.

    ``owner`` names this process in leases. ``budget_s`` None is the pace's own.
    """
    ends_at = time.monotonic() + (pace.budget_s if budget_s is None else budget_s)
    reap_expired(pace=pace)
    worked = 0
    while True:
        _renew_connection()
        chunk = claim_next(owner=owner, pace=pace)
        if chunk is None:
            return worked
        work_on(chunk, pace=pace)
        worked += 1
        if time.monotonic() >= ends_at:
            return worked


def _renew_connection() -> None:
    """Drop a connection that the database has ended; never inside somebody's transaction."""
    if not connection.in_atomic_block:
        close_old_connections()


def work_on(chunk: BatchChunk, *, pace: Pace = PACE) -> None:
    """One attempt at a leased chunk, with one of the ends that the module's docstring lists."""
    try:
        with _heartbeat(chunk, pace) as heartbeat:
            _attempt(chunk, heartbeat, pace)
    except LeaseLost:
        _let_go(chunk)
    except TooSlow:
        _split(chunk)
    except Narrowed as found:
        _narrow(chunk, found)
    except RowRefused as refused:
        fail_held_chunk(chunk, _row_error(refused.problem))
    except (DataError, IntegrityError) as error:
        _settle_error(chunk, error, pace)  # it is about what was written, and comes again
    except (DatabaseError, InterfaceError):
        # Nothing can be written now; the lease runs out, and somebody takes the chunk again.
        log.exception("The database failed under %s", chunk)
        raise
    except (KeyboardInterrupt, SystemExit):
        give_back(chunk, AttemptOutcome.RELEASED, reason="The worker was stopped.", wait_s=0)
        raise
    except Exception as error:
        _settle_error(chunk, error, pace)


def _attempt(chunk: BatchChunk, heartbeat: Heartbeat, pace: Pace) -> None:
    """Score, publish, commit; a result that comes too late takes its files away again."""
    with ChunkWork(chunk, heartbeat, pace) as work:
        result = _score_chunk(work)
        try:
            is_ours = _commit(chunk, result)
        except ColumnsChanged:
            _remove(result)
            raise
        # Any other error leaves the files: whether it was committed is not known then.
        if not is_ours:
            _remove(result)
            raise LeaseLost(str(chunk))
    failpoints.reach("commit.after")


def _commit(chunk: BatchChunk, result: ChunkResult) -> bool:
    """Commit; once more on a new connection when the database has ended the old one.

    The first may have been carried out without our hearing of it: then it is ours already, and
    its files are the chunk's. False when the fence was lost.
    """
    try:
        return commit_chunk(chunk, result)
    except (InterfaceError, OperationalError) as error:
        if connection.in_atomic_block:
            raise
        log.warning("The commit of %s is tried again: %s", chunk, error)
        with suppress(Error):
            connection.close()
        return is_committed(chunk, result) or commit_chunk(chunk, result)


def _heartbeat(chunk: BatchChunk, pace: Pace) -> Heartbeat:
    extend = partial(BatchChunk.objects.extend, chunk, lease_s=pace.lease_s)
    return Heartbeat(extend, every_s=pace.heartbeat_s, name=str(chunk))


def _remove(result: ChunkResult) -> None:
    for name in result.names:
        storage.remove(name)


def _score_chunk(work: ChunkWork) -> ChunkResult:
    """All rows of the chunk through ``scoring.score``, published under their final names."""
    for table in work.tables():
        work.score(table)
    failpoints.reach("score.all")
    return work.publish()


def _let_go(chunk: BatchChunk) -> None:
    reason = "The job no longer runs, or the lease was lost."
    if not give_back(chunk, AttemptOutcome.FENCED, reason=reason, wait_s=0):
        end_attempt(chunk, AttemptOutcome.FENCED, reason=reason)


def _split(chunk: BatchChunk) -> None:
    """Smaller chunks for a slow model, at bounds that depend on the rows alone."""
    pieces = split_range(RowRange(chunk.row_start, chunk.row_stop), PIECES)
    split_chunk(chunk, pieces, reason=f"Too slow for one go: split into {len(pieces)}.")


def _narrow(chunk: BatchChunk, found: Narrowed) -> None:
    """The rows that make the model fail become a chunk of their own, searched on at once."""
    narrowed = ChunkAttempt.objects.filter(chunk__job=chunk.job_id, outcome=AttemptOutcome.NARROWED)
    if narrowed.count() >= MAX_NARROWINGS:
        fail_held_chunk(chunk, _model_error(chunk, "The model fails on too many rows."))
        return
    bounds = sorted({chunk.row_start, found.rows.start, found.rows.stop, chunk.row_stop})
    pieces = [RowRange(low, high) for low, high in pairwise(bounds)]
    split_chunk(
        chunk,
        pieces,
        reason=f"The model fails on rows {found.rows.start} to {found.rows.stop - 1}.",
        outcome=AttemptOutcome.NARROWED,
        failures={pieces.index(found.rows): chunk.failures},
        wait_s=found.wait_s,
    )


def _settle_error(chunk: BatchChunk, error: Exception, pace: Pace) -> None:
    """What follows an error: wait where that helps, fail where nothing will, else count it."""
    if isinstance(error, StorageFull) or _is_no_space(error):
        _pause(chunk, error, PausedReason.STORAGE_FULL, pace.pause_s)
    elif _is_passing(error):
        wait_s = max(getattr(error, "retry_after_s", None) or 0, SHORTEST_WAIT_S)
        _pause(chunk, error, PausedReason.MODEL_UNAVAILABLE, wait_s)
    elif isinstance(error, DomainError) and not isinstance(error, ModelFailed):
        fail_held_chunk(chunk, error_json(error))
    else:
        _count_failure(chunk, error, pace)


def _count_failure(chunk: BatchChunk, error: Exception, pace: Pace) -> None:
    failures = chunk.failures + 1
    if isinstance(error, ModelFailed):
        reason = _model_error(chunk, error.detail)
    else:
        log.exception("Attempt %s at %s failed", chunk.attempt, chunk, exc_info=error)
        reason = {
            "code": "internal",
            "detail": f"The worker failed on the rows from {chunk.row_start} on "
            f"({type(error).__name__}).",
        }
    if failures >= MAX_FAILURES:
        fail_held_chunk(chunk, reason)
    else:
        give_back(
            chunk,
            AttemptOutcome.ERROR,
            reason=reason["detail"],
            wait_s=pace.backoff(failures),
            failures=1,
        )


def _pause(chunk: BatchChunk, error: Exception, reason: PausedReason, wait_s: float) -> None:
    log.warning("%s waits %s s: %s", chunk, wait_s, error)
    give_back(
        chunk, AttemptOutcome.RELEASED, reason=str(error), wait_s=wait_s, paused_reason=reason
    )


def _is_no_space(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_passing(error: Exception) -> bool:
    """Whether it has nothing to do with the chunk and waiting helps."""
    if isinstance(error, ModelFailed):
        return error.retry_after_s is not None
    return isinstance(error, Unavailable)


def _model_error(chunk: BatchChunk, detail: str) -> dict[str, Any]:
    return {
        "code": ModelFailed.code,
        "detail": f"{detail} Rows {chunk.row_start} to {chunk.row_stop - 1}.",
    }


def _row_error(problem: RowProblem) -> dict[str, Any]:
    where = f"row {problem.row}"
    if problem.column is not None:
        where += f", column “{problem.column}”"
    return {
        "code": "invalid-rows",
        "detail": f"A row was refused: {where}: {problem.code}.",
        "errors": [problem.to_json()],
    }
