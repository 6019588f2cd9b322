"""What follows an attempt that did not come to its commit: wait, try again, search, or fail."""

from __future__ import annotations

import errno
import logging
from itertools import pairwise
from typing import Any

from registry.errors import (
    DomainError,
    ModelFailed,
    RowProblem,
    SinkAway,
    StorageAway,
    StorageFull,
    Unavailable,
)
from serving.actions.batch_jobs import error_json
from serving.actions.chunk_ends import (
    end_attempt,
    fail_held_chunk,
    give_back,
    refuse_chunk,
    split_chunk,
)
from serving.actions.model_calls import Narrowed
from serving.batch.pace import MAX_FAILURES, Pace
from serving.batch.ranges import RowRange, split_range
from serving.models import BatchChunk, ChunkAttempt
from serving.models.chunk_attempt import AttemptOutcome
from serving.models.job_states import PausedReason

log = logging.getLogger(__name__)

# A chunk that is too slow becomes so many.
PIECES = 8
# After so many searches for the rows on which the model fails, it fails on too many.
MAX_NARROWINGS = 100
SHORTEST_WAIT_S = 5.0
# Where these are away, another chunk would fare no better.
OF_THE_HOUSE = frozenset({PausedReason.STORAGE_FULL, PausedReason.STORAGE_UNAVAILABLE})


def settle_error(chunk: BatchChunk, error: Exception, pace: Pace) -> bool:
    """Wait where that helps, fail where nothing will, else count it.

    False when what is missing is missing for every chunk.
    """
    reason = _what_is_away(error)
    if reason is not None:
        _pause(chunk, error, reason, _wait_s(chunk, error, reason, pace))
    elif isinstance(error, DomainError) and not isinstance(error, ModelFailed):
        fail_held_chunk(chunk, error_json(error))
    else:
        _count_failure(chunk, error, pace)
    return reason not in OF_THE_HOUSE


def let_go(chunk: BatchChunk) -> None:
    """The lease was lost: nothing of this attempt counts."""
    reason = "The job no longer runs, or the lease was lost."
    if not give_back(chunk, AttemptOutcome.FENCED, reason=reason, wait_s=0):
        end_attempt(chunk, AttemptOutcome.FENCED, reason=reason)


def split(chunk: BatchChunk) -> None:
    """Smaller chunks for a slow model, at bounds that depend on the rows alone."""
    pieces = split_range(RowRange(chunk.row_start, chunk.row_stop), PIECES)
    split_chunk(chunk, pieces, reason=f"Too slow for one go: split into {len(pieces)}.")


def narrow(chunk: BatchChunk, found: Narrowed) -> None:
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


def refuse_row(chunk: BatchChunk, problem: RowProblem) -> None:
    """A bad row in a job that takes none: the job fails, and says which row."""
    where = f"row {problem.row}"
    if problem.column is not None:
        where += f", column “{problem.column}”"
    error = {
        "code": "invalid-rows",
        "detail": f"A row was refused: {where}: {problem.code}.",
        "errors": [problem.to_json()],
    }
    if not refuse_chunk(chunk, error):
        let_go(chunk)


def _what_is_away(error: Exception) -> PausedReason | None:
    """What has to come back before anybody can go on; None where waiting does not help."""
    if isinstance(error, StorageFull) or _is_no_space(error):
        return PausedReason.STORAGE_FULL
    if isinstance(error, StorageAway):
        return PausedReason.STORAGE_UNAVAILABLE
    if isinstance(error, SinkAway):
        return PausedReason.SINK_UNAVAILABLE
    is_passing = isinstance(error, Unavailable)
    if isinstance(error, ModelFailed):
        is_passing = error.retry_after_s is not None
    return PausedReason.MODEL_UNAVAILABLE if is_passing else None


def _is_no_space(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _wait_s(chunk: BatchChunk, error: Exception, reason: PausedReason, pace: Pace) -> float:
    if reason == PausedReason.MODEL_UNAVAILABLE:
        return max(getattr(error, "retry_after_s", None) or 0, SHORTEST_WAIT_S)
    released = chunk.attempts.filter(outcome=AttemptOutcome.RELEASED)
    return pace.pause(released.count() + 1)


def _pause(chunk: BatchChunk, error: Exception, reason: PausedReason, wait_s: float) -> None:
    log.warning("%s waits %s s: %s", chunk, wait_s, error)
    give_back(
        chunk, AttemptOutcome.RELEASED, reason=str(error), wait_s=wait_s, paused_reason=reason
    )


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


def _model_error(chunk: BatchChunk, detail: str) -> dict[str, Any]:
    return {
        "code": ModelFailed.code,
        "detail": f"{detail} Rows {chunk.row_start} to {chunk.row_stop - 1}.",
    }
