"""The calls of the model for one chunk: each in the chunk's time, and by search where it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import ModelFailed
from registry.heartbeat import Heartbeat
from registry.signature.validate import Validated
from serving.actions import scoring
from serving.actions.attempt_meter import AttemptMeter
from serving.actions.targets import Target
from serving.batch.isolate import SearchSuspended, isolate
from serving.batch.pace import MAX_FAILURES, Pace
from serving.batch.ranges import RowRange
from serving.batch.rejects import part_of
from serving.models import BatchChunk, BatchJob
from serving.runtimes.base import Answer
from serving.runtimes.isolation.errors import ModelNotLoaded

# Below this a call of the model is not worth trying any more.
SHORTEST_CALL_S = 1.0


class TooSlow(Exception):
    """The chunk does not come to an end in its time."""


class Narrowed(Exception):
    """The rows on which the model fails lie in ``rows``; it may not be called for ``wait_s``."""

    def __init__(self, rows: RowRange, wait_s: float) -> None:
        super().__init__(f"rows {rows.start} to {rows.stop}")
        self.rows = rows
        self.wait_s = wait_s


class LedgerMismatch(Exception):
    """Rows out and rejects are not the rows that went in: a fault of ours."""


class ModelCalls:
    """What one attempt at a chunk asks the job's version; its time begins now.

    ``meter`` is told what the calls take, ``heartbeat`` is asked before each whether the chunk is
    still ours.
    """

    def __init__(
        self,
        chunk: BatchChunk,
        job: BatchJob,
        target: Target,
        heartbeat: Heartbeat,
        pace: Pace,
        meter: AttemptMeter,
    ) -> None:
        self._chunk, self._job, self._target = chunk, job, target
        self._heartbeat, self._meter = heartbeat, meter
        self._ends_at = time.monotonic() + pace.chunk_s

    def answers(
        self, validated: Validated, first_row: int
    ) -> Iterator[tuple[Validated, Answer | None]]:
        """Good rows and their answer, in row order; None for a row on which the model fails.

        ``first_row`` is that of the rows in the dataset. Raises TooSlow, Narrowed, LeaseLost, and
        what ``scoring.score`` raises.
        """
        good = validated.n_good
        if not good:
            return
        whole = part_of(validated, 0, good)
        try:
            answer = self._call(whole)
        except ModelFailed as error:
            if not self._may_isolate(error):
                raise
        else:
            yield whole, answer
            return
        try:
            for piece in isolate(good, lambda a, b: self._call(part_of(validated, a, b))):
                yield part_of(validated, piece.start, piece.stop), piece.answer
        except SearchSuspended as search:
            rows = validated.row_numbers[search.start : search.stop] + first_row
            raise Narrowed(RowRange(int(rows[0]), int(rows[-1]) + 1), search.wait_s) from search

    def time_left(self) -> float:
        """Seconds. Raises TooSlow where a call is not worth trying any more."""
        left_s = self._ends_at - time.monotonic()
        if left_s < SHORTEST_CALL_S and self._chunk.rows > 1:
            raise TooSlow
        return left_s

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """A failure at the end of the chunk's time says that the chunk is too large."""
        try:
            yield
        except ModelFailed as error:
            if time.monotonic() >= self._ends_at and self._chunk.rows > 1:
                raise TooSlow from error
            raise

    def _call(self, validated: Validated) -> Answer:
        self._heartbeat.check()
        left_s = self.time_left()
        with self._meter.phase("score"), self.in_time():
            answer = scoring.score(
                self._target,
                validated,
                outputs=self._job.outputs,
                deadline_s=max(left_s, SHORTEST_CALL_S),
                is_bounded=False,  # by the rows of a table
                guarded=self._chunk.is_guarded,
            )
        if answer.n_rows != validated.batch.num_rows:
            raise LedgerMismatch(f"{answer.n_rows} answers to {validated.batch.num_rows} rows")
        return answer

    def _may_isolate(self, error: ModelFailed) -> bool:
        """At the third failure the rows are searched, unless it is not a matter of rows.

        Workers have died of a guarded chunk before: that was the first and the second.
        """
        is_third = self._chunk.is_guarded or self._chunk.failures + 1 >= MAX_FAILURES
        return is_third and not isinstance(error, ModelNotLoaded) and error.retry_after_s is None
