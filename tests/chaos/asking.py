"""People who ask for jobs, cancel and retry them while everything around them breaks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import Error, connection

from registry.errors import StateConflict
from registry.principals import Principal
from serving.actions.batch_jobs import cancel_job, create_job, retry_job
from serving.models import BatchJob
from tests.chaos import plan

Given = TypeVar("Given")
AGAIN_S = 0.3


class Asking(threading.Thread):
    """Asks for ``jobs`` jobs within ``over_s`` seconds; remembers what was acknowledged.

    What was refused because the database was away is asked for again: the first may have been
    taken all the same, so there may be more jobs than were asked for, and never fewer.
    """

    def __init__(
        self,
        askers: Sequence[Principal],
        drawn: random.Random,
        *,
        jobs: int,
        over_s: float,
        cancels: int = 4,
        retries: int = 3,
    ) -> None:
        super().__init__(name="asking", daemon=True)
        self.asked: list[str] = []
        self.cancel_tried: set[str] = set()
        self.cancelled: set[str] = set()
        self.retried: set[str] = set()
        self.error: BaseException | None = None
        self._askers, self._drawn = askers, drawn
        self._begun_s = time.monotonic()
        self._steps = self._planned(jobs, over_s, cancels, retries)

    def run(self) -> None:
        try:
            for at_s, step in self._steps:
                time.sleep(max(0.0, self._begun_s + at_s - time.monotonic()))
                step()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def _planned(
        self, jobs: int, over_s: float, cancels: int, retries: int
    ) -> list[tuple[float, Callable[[], None]]]:
        kinds = [c for c in plan.COMBINATIONS if c.weight]
        # Each at least once, while there are enough jobs.
        chosen = kinds[:jobs] + self._drawn.choices(
            kinds, [c.weight for c in kinds], k=max(0, jobs - len(kinds))
        )
        self._drawn.shuffle(chosen)
        steps: list[tuple[float, Callable[[], None]]] = [
            (at * over_s / jobs, lambda c=c: self._ask(c))  # type: ignore[misc]
            for at, c in enumerate(chosen)
        ]
        for step, count in ((self._cancel_one, cancels), (self._retry_one, retries)):
            steps += [(self._drawn.uniform(0.3, 1.0) * over_s, step) for _ in range(count)]
        return sorted(steps, key=lambda step: step[0])

    def _ask(self, combination: plan.Combination) -> None:
        by = self._drawn.choice(self._askers)
        job = _insisting(lambda: create_job(by=by, **combination.asked()))
        self.asked.append(str(job.pk))

    def _cancel_one(self) -> None:
        active = BatchJob.objects.active().order_by("-id")
        job = _insisting(active.select_related("model", "created_by").first)
        if job is None:
            return
        self.cancel_tried.add(str(job.pk))
        try:
            _insisting(lambda: cancel_job(by=Principal(job.created_by), job=job))
            self.cancelled.add(str(job.pk))
        except StateConflict:
            # It has ended meanwhile; or the first try has cancelled it, and nobody heard of it.
            return

    def _retry_one(self) -> None:
        ended = BatchJob.objects.filter(state=plan.WHOLE, pk__in=self.asked).order_by("id")
        job = _insisting(ended.select_related("model", "created_by").first)
        if job is None or str(job.pk) in self.retried:
            return
        self.retried.add(str(job.pk))
        try:
            _insisting(lambda: retry_job(by=Principal(job.created_by), job=job))
        except StateConflict:
            return


def _insisting(step: Callable[[], Given]) -> Given:
    """Do it until the database does not fail. Whoever asks has more patience than the service."""
    while True:
        try:
            return step()
        except Error:
            connection.close()
            time.sleep(AGAIN_S)
